//! Edits: the differences between a shared object and its copy.
//!
//! Each edit replaces some bytes by as many others, so that nothing in the file moves.

use std::sync::atomic::{AtomicU64, Ordering};

use elf::abi;

use super::elf_file::{DynamicEntry, SharedObject};

/// What a copy finds under the name of one of CPython's functions: the address of another. Both are functions of
/// the same type.
pub(crate) type Replacement = (&'static str, usize);

/// What is different in the copy of a shared object.
#[derive(Debug)]
pub(crate) struct Edits<'a> {
    object: &'a SharedObject,
    /// Where, and what is there instead.
    bytes: Vec<(u64, Vec<u8>)>,
}

/// How many relocations come first that need no symbol: the loader can do without the number.
const DT_RELACOUNT: i64 = 0x6fff_fff9;
const DT_SYMBOLIC: i64 = 16;
const DF_SYMBOLIC: u64 = 2;

/// How long the name of a copy is at most: as long as `libz.so`, since others may need a library by a shorter name than
/// its own, a link to its file for example.
const LONGEST_NAME: usize = 7;

impl<'a> Edits<'a> {
    /// The copy takes from itself first what it has itself, as its author sees it: neither what else in the process
    /// has such a name (`RTLD_LOCAL` hides a copy's names from others, and not theirs from it), nor another copy.
    ///
    /// # Errors
    ///
    /// In words: the file has no room for that.
    pub(crate) fn of(object: &'a SharedObject) -> Result<Edits<'a>, String> {
        let mut edits = Edits {
            object,
            bytes: Vec::new(),
        };
        let unique = object.layout.unique_symbols.iter();
        // Of this object alone, as any other global symbol of it. Elf64_Sym starts with four bytes for the name.
        let ordinary = unique.map(|one| (one.entry + 4, vec![one.kind | abi::STB_GLOBAL << 4]));
        edits.bytes.extend(ordinary);
        edits.bind_to_itself()?;
        Ok(edits)
    }

    fn bind_to_itself(&mut self) -> Result<(), String> {
        let entries = &self.object.layout.dynamic;
        let end = entries.iter().position(|one| one.tag == abi::DT_NULL);
        let used = &entries[..end.unwrap_or(entries.len())];
        let tagged = |tag: i64| used.iter().find(|one| one.tag == tag);
        if let Some(flags) = tagged(abi::DT_FLAGS) {
            self.set(flags, abi::DT_FLAGS, flags.value | DF_SYMBOLIC);
            return Ok(());
        }
        // Linkers leave several entries that end the section; one is enough.
        let spare = entries.get(used.len()..).filter(|rest| rest.len() > 1);
        let room = tagged(DT_SYMBOLIC)
            .or(spare.and_then(|rest| rest.first()))
            .or(tagged(DT_RELACOUNT));
        let Some(room) = room else {
            return Err("it cannot be bound to itself: its dynamic section is full".to_owned());
        };
        self.set(room, DT_SYMBOLIC, 0);
        Ok(())
    }

    fn set(&mut self, entry: &DynamicEntry, tag: i64, value: u64) {
        let bytes = [tag.to_ne_bytes(), value.to_ne_bytes()].concat();
        self.bytes.push((entry.place, bytes));
    }

    /// Has the copy use what is at this address in place of what it takes from others under that name.
    pub(crate) fn replace(&mut self, name: &str, address: usize) {
        if let Some(entry) = self.object.imports.get(name) {
            self.redirect(*entry, address);
        }
    }

    /// Has each symbol of which a process has one be what is at the address that `find` gives for its name, if any.
    pub(crate) fn share_unique(&mut self, find: impl Fn(&str) -> Option<usize>) {
        let unique = self.object.layout.unique_symbols.iter();
        // What belongs to each thread has no address of its own.
        for one in unique.filter(|one| one.kind != abi::STT_TLS) {
            if let Some(address) = find(&one.name) {
                self.redirect(one.entry, address);
            }
        }
    }

    /// Has the symbol with that entry be what is at this address.
    ///
    /// For a local symbol the loader looks nowhere else, and an absolute one is taken as it is (glibc,
    /// elf/dl-reloc.c and sysdeps/generic/ldsodefs.h).
    fn redirect(&mut self, entry: u64, address: usize) {
        // What follows the name in the entry of a symbol (`Elf64_Sym`).
        let mut bytes = vec![0; 20];
        bytes[0] = abi::STB_LOCAL << 4 | abi::STT_FUNC;
        bytes[2..4].copy_from_slice(&abi::SHN_ABS.to_ne_bytes());
        bytes[4..12].copy_from_slice(&(address as u64).to_ne_bytes());
        self.bytes.push((entry + 4, bytes));
    }

    /// Gives the copy a name that no other has.
    ///
    /// # Errors
    ///
    /// In words: it has none, or one that cannot be another.
    pub(crate) fn name_itself(&mut self) -> Result<Option<String>, String> {
        let Some(soname) = &self.object.soname else {
            return Ok(None);
        };
        let name = own_name(soname.len().min(LONGEST_NAME))
            .ok_or_else(|| format!("{soname} is too short a name for a copy of its own"))?;
        self.rename(soname, &name)?;
        Ok(Some(name))
    }

    /// Has the copy need the library of another name.
    ///
    /// # Errors
    ///
    /// In words: the other name is longer, or the file uses these bytes for something else as well.
    pub(crate) fn rename(&mut self, from: &str, to: &str) -> Result<(), String> {
        if to.len() > from.len() {
            return Err(format!("{from} is too short a name for a copy of its own"));
        }
        // The rest is zero, which ends a name.
        let mut renamed = to.as_bytes().to_vec();
        renamed.resize(from.len(), 0);
        let names = &self.object.layout.names;
        for name in names.iter().filter(|name| name.text == from) {
            let bytes = name.place..name.place + from.len() as u64;
            let is_shared =
                |other: &&super::elf_file::Name| other.text != from && bytes.contains(&other.place);
            if !name.is_whole || names.iter().any(|other| is_shared(&other)) {
                return Err(format!("the name {from} is part of another one in it"));
            }
            self.bytes.push((name.place, renamed.clone()));
        }
        Ok(())
    }

    pub(crate) fn object(&self) -> &'a SharedObject {
        self.object
    }

    /// Each place with what is there instead.
    pub(crate) fn bytes(&self) -> &[(u64, Vec<u8>)] {
        &self.bytes
    }
}

/// A name of that length which nothing else in the process has.
fn own_name(length: usize) -> Option<String> {
    static N_NAMES: AtomicU64 = AtomicU64::new(0);
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut number = N_NAMES.fetch_add(1, Ordering::Relaxed);
    let mut name = vec![b'~'];
    for _ in 1..length {
        name.push(DIGITS[(number % 36) as usize]);
        number /= 36;
    }
    (number == 0 && length > 1).then(|| String::from_utf8_lossy(&name).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_copies_differ_and_have_the_length_that_is_asked_for() {
        let names: std::collections::HashSet<_> = (0..2000).filter_map(|_| own_name(9)).collect();
        assert_eq!(names.len(), 2000);
        assert!(
            names
                .iter()
                .all(|name| name.len() == 9 && name.starts_with('~'))
        );
        assert_eq!((own_name(0), own_name(1)), (None, None));
    }
}
