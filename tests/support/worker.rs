//! The worker processes of the tests: what a host does first in its main. Given a function and an argument, it makes
//! that call in an interpreter with private copies, for calls that end the process.

use owngil::{Extensions, Function, Pool, Value};

fn main() {
    owngil::become_worker_if_asked();
    // The doctor has a program started again for imports that may crash.
    owngil::doctor::run_trial_if_asked();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [function, argument] = &arguments[..] else {
        eprintln!("this program is started by the tests of owngil");
        std::process::exit(2);
    };
    let builder = Pool::builder().workers(1).extensions(Extensions::Private);
    let pool = builder.build().unwrap();
    let value = pool.call::<Value, _>(&Function::at(function), argument);
    println!("{:?}", value.unwrap());
}
