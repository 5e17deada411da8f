//! What must not compile, as documentation tests: each fails with the error that is named.
//!
//! An interpreter does not leave its thread, and is not shared:
//!
//! ```compile_fail,E0277
//! let interpreter = owngil::Interpreter::new().unwrap();
//! std::thread::spawn(move || drop(interpreter));
//! ```
//!
//! ```compile_fail,E0277
//! fn is_sync<T: Sync>() {}
//! is_sync::<owngil::Interpreter>();
//! ```
//!
//! A value owns what it holds: it cannot borrow from a result that is gone:
//!
//! ```compile_fail,E0277
//! fn call<'a>(pool: &'a owngil::Pool, function: &owngil::Function) -> &'a str {
//!     pool.call::<&'a str, _>(function, ()).unwrap()
//! }
//! ```
//!
//! What may go from thread to thread does:
//!
//! ```
//! fn is_send_and_sync<T: Send + Sync>() {}
//! is_send_and_sync::<owngil::Pool>();
//! is_send_and_sync::<owngil::Function>();
//! is_send_and_sync::<owngil::Task<std::rc::Rc<str>>>();
//! is_send_and_sync::<owngil::Payload>();
//! is_send_and_sync::<owngil::Value>();
//! is_send_and_sync::<owngil::Error>();
//! ```
