//! What must not compile, as documentation tests: each fails with the error that is named.
//!
//! An interpreter does not leave its thread:
//!
//! ```compile_fail,E0277
//! use owngil_ffi::{Config, Interpreter, Runtime};
//! let runtime = Runtime::start(&Config::default()).unwrap();
//! let interpreter = Interpreter::new(runtime).unwrap();
//! std::thread::spawn(move || drop(interpreter));
//! ```
//!
//! An attachment does not either, by value or by reference:
//!
//! ```compile_fail,E0277
//! fn send(attached: owngil_ffi::Attached<'static>) {
//!     std::thread::spawn(move || attached.id());
//! }
//! ```
//!
//! ```compile_fail,E0277
//! fn share(attached: &owngil_ffi::Attached<'_>) {
//!     std::thread::scope(|scope| {
//!         scope.spawn(|| attached.id());
//!     });
//! }
//! ```
//!
//! Nor do objects, and exceptions that are objects:
//!
//! ```compile_fail,E0277
//! fn is_send<T: Send>() {}
//! is_send::<owngil_ffi::Object<'static>>();
//! ```
//!
//! ```compile_fail,E0277
//! fn is_send<T: Send>() {}
//! is_send::<owngil_ffi::Raised<'static>>();
//! ```
//!
//! An object does not outlive its attachment:
//!
//! ```compile_fail,E0521
//! fn outlive(interpreter: &mut owngil_ffi::Interpreter) {
//!     let mut object = None;
//!     interpreter.attach(|attached| object = Some(attached.none()));
//!     drop(object);
//! }
//! ```
//!
//! An attachment is never `'static`, so that no thread-local variable can store one for a closure
//! that runs detached:
//!
//! ```compile_fail,E0521
//! thread_local! {
//!     static STORED: std::cell::Cell<Option<owngil_ffi::Attached<'static>>> = const { std::cell::Cell::new(None) };
//! }
//! fn store(interpreter: &'static mut owngil_ffi::Interpreter) {
//!     interpreter.attach(|attached| STORED.set(Some(attached)));
//! }
//! ```
//!
//! An interpreter does not end while it is attached, and is not attached twice:
//!
//! ```compile_fail,E0505
//! fn end(mut interpreter: owngil_ffi::Interpreter) {
//!     interpreter.attach(|_| drop(interpreter));
//! }
//! ```
//!
//! ```compile_fail,E0499
//! fn twice(mut interpreter: owngil_ffi::Interpreter) {
//!     interpreter.attach(|_| interpreter.attach(|_| ()));
//! }
//! ```
//!
//! No object is touched while detached:
//!
//! ```compile_fail,E0277
//! fn touch(object: owngil_ffi::Object<'_>) {
//!     object.attached().detach(|| object.len());
//! }
//! ```
//!
//! A callback's closure takes nothing along that belongs to one thread:
//!
//! ```compile_fail,E0277
//! fn capture(attached: owngil_ffi::Attached<'static>, object: owngil_ffi::Object<'static>) {
//!     let _ = attached.callback(move |attached, _| Ok(attached.int(object.len() as i64)?));
//! }
//! ```
