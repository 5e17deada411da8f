//! A pool that stays in control: calls that take too long, get stuck, or want too much memory.

use std::time::Duration;

use owngil::{Error, Function, Pool};

const SOURCE: &str = "
def collatz(n):
    steps = 0
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps

def hoard():
    held = []
    while True:
        held.append(bytearray(1_000_000))
";

fn main() -> owngil::Result<()> {
    let pool = Pool::builder().workers(2).memory_limit(64 << 20).build()?;
    let collatz = Function::source(SOURCE, "collatz");

    // 0 never gets to 1. The others have their values, and the pool has its workers.
    let builder = |n: i64| pool.task(&collatz).args(n);
    for n in [6, 0, 27] {
        let task = builder(n).deadline(Duration::from_secs(1)).submit()?;
        match task.wait() {
            Ok::<u64, _>(steps) => println!("collatz({n}) takes {steps} steps"),
            Err(Error::TimedOut { stack, .. }) => {
                println!("collatz({n}) took too long");
                if let Some(stack) = stack {
                    print!("{stack}");
                }
            }
            Err(error) => return Err(error),
        }
    }

    // Where does every worker stand right now?
    let task = builder(0).submit::<u64>()?;
    std::thread::sleep(Duration::from_millis(50));
    print!("{}", pool.stacks());
    task.cancel();
    assert!(matches!(task.wait(), Err(Error::Cancelled { .. })));

    match pool.call::<(), _>(&Function::source(SOURCE, "hoard"), ()) {
        Err(Error::Python(error)) => println!("hoard ended with {}", error.type_name()),
        other => println!("hoard: {other:?}"),
    }
    println!(
        "collatz(97) takes {} steps",
        pool.call::<u64, _>(&collatz, 97)?
    );
    Ok(())
}
