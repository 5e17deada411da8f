//! Streams: `sys.stdout` and `sys.stderr`, and those of the child processes that tasks start.

use std::slice;
use std::sync::Arc;

use owngil_ffi::{Attached, Object, PyResult};

use super::deferred::Deferred;
use super::host::{descriptor, note_directory, started, write};
use super::own_directory::OwnDirectory;
use super::programs::STREAMS;
use crate::children::note_fork;
use crate::inherited::Inherited;
use crate::interpreter::functions::call_once;
use crate::output::{Capture, Children};

/// The host's functions for what tasks print.
pub(crate) struct Streams<'a> {
    write: Object<'a>,
    descriptor: Object<'a>,
    started: Object<'a>,
    note_directory: Object<'a>,
    forked: Object<'a>,
}

impl<'a> Streams<'a> {
    /// Installs them, once the interpreter has run bootstrap.py; `fallback` takes what threads print that are not a
    /// worker's.
    pub(crate) fn install(
        attached: Attached<'a>,
        bootstrap: &Object<'a>,
        fallback: Arc<Capture>,
        keeps_stdin: bool,
    ) -> PyResult<'a, Streams<'a>> {
        let [for_descriptor, for_started, for_directory] = [(); 3].map(|()| Arc::clone(&fallback));
        let streams = Streams {
            write: attached
                .callback(move |attached, arguments| write(attached, arguments, &fallback))?,
            descriptor: attached.callback(move |attached, arguments| {
                descriptor(attached, arguments, &for_descriptor)
            })?,
            started: attached
                .callback(move |attached, arguments| started(attached, arguments, &for_started))?,
            note_directory: attached
                .callback(move |attached, _| note_directory(attached, &for_directory))?,
            forked: attached.callback(|attached, _| {
                note_fork();
                Ok(attached.none())
            })?,
        };
        STREAMS.run(attached, bootstrap)?;
        let (write, descriptor) = (streams.write.clone(), streams.descriptor.clone());
        let arguments = [write, descriptor, attached.bool(keeps_stdin)];
        call_once(attached, bootstrap, "install_streams", &arguments)?;
        Ok(streams)
    }

    /// Has child processes that tasks start be theirs: what they write, and what they inherit.
    pub(crate) fn prepare_children(
        self,
        attached: Attached<'a>,
        bootstrap: &Object<'a>,
        deferred: &Deferred<'a>,
        children: Children,
        inherited: &Arc<Inherited>,
    ) -> PyResult<'a, Option<OwnDirectory>> {
        let has_own_gil = attached.id() != 0;
        if !has_own_gil && children == Children::Inherit && inherited.directory.is_none() {
            return Ok(None);
        }
        let is_noted = children == Children::Noted;
        let directory = OwnDirectory::enter(inherited, is_noted);
        let has_directory = match &directory {
            Some(entered) => attached.bool(entered.is_some()),
            None => attached.none(),
        };
        let environment = match has_own_gil {
            true => variables(attached, inherited)?,
            false => attached.none(),
        };
        if has_own_gil {
            let environment = slice::from_ref(&environment);
            call_once(attached, bootstrap, "show_variables", environment)?;
        }
        let host = [
            self.descriptor,
            self.write,
            self.started,
            self.forked,
            self.note_directory,
        ];
        let host = attached.tuple(host)?;
        let arguments = [host, attached.bool(is_noted), environment, has_directory];
        deferred.install("children", &arguments)?;
        Ok(directory.flatten())
    }
}

fn variables<'a>(attached: Attached<'a>, inherited: &Inherited) -> PyResult<'a, Object<'a>> {
    let variables = attached.dict()?;
    for (name, value) in inherited.variables() {
        let name = attached.bytes(name.as_encoded_bytes())?;
        variables.insert(&name, &attached.bytes(value.as_encoded_bytes())?)?;
    }
    Ok(variables)
}
