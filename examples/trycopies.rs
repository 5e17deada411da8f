//! x
use owngil::*;
fn main() {
    let python = std::env::var("TRY_PYTHON").unwrap();
    use_python(python).unwrap();
    let n: usize = std::env::var("TRY_N").map_or(4, |n| n.parse().unwrap());
    let mut builder = Pool::builder().workers(n).extensions(Extensions::Private);
    if let Ok(n) = std::env::var("TRY_RECYCLE") {
        builder = builder.max_tasks_per_worker(n.parse().unwrap());
    }
    let pool = builder.build().unwrap();
    let rounds: usize = std::env::var("TRY_ROUNDS").map_or(1, |n| n.parse().unwrap());
    for name in std::env::args().skip(1) {
        let f = Function::at(&format!("/tmp/try/work.py:{name}"));
        for _ in 0..rounds {
            let tasks: Vec<_> = (0..n)
                .map(|i| pool.task(&f).args((i,)).submit().unwrap())
                .collect();
            let out: Vec<std::result::Result<String, String>> = tasks
                .into_iter()
                .map(|t| {
                    (t.wait() as Result<Value>)
                        .map(|v| format!("{v:?}"))
                        .map_err(|e| {
                            format!(
                                "{e}\n{}",
                                match &e {
                                    Error::Python(p) => p.traceback().to_string(),
                                    _ => String::new(),
                                }
                            )
                        })
                })
                .collect();
            let ok = out.iter().filter(|o| o.is_ok()).count();
            if rounds == 1 {
                println!(
                    "{name}: {ok} of {n} {}",
                    out.iter()
                        .map(|o| match o {
                            Ok(v) => v.chars().take(60).collect::<String>(),
                            Err(e) => e.chars().take(1500).collect(),
                        })
                        .collect::<std::collections::BTreeSet<_>>()
                        .into_iter()
                        .collect::<Vec<_>>()
                        .join(" | ")
                );
            } else if ok < n {
                println!("{name}: {:?}", out);
            }
        }
    }
    if std::env::var("TRY_SHOW").is_ok() {
        for (i, copies) in pool.private_copies().iter().enumerate() {
            println!(
                "worker {i}: {} copies, {:.1} MB, {:?}",
                copies.len(),
                copies.iter().map(|c| c.n_bytes).sum::<u64>() as f64 / 1e6,
                copies
                    .iter()
                    .map(|c| c.load_time)
                    .sum::<std::time::Duration>()
            );
            if i == 0 {
                for c in copies {
                    println!(
                        "  {} {:?} {:?} {}",
                        c.module, c.initialization, c.load_time, c.n_bytes
                    );
                }
            }
        }
    }
    if std::env::var("TRY_DROP").is_ok() {
        drop(pool);
        println!("dropped");
    }
    if std::env::var("TRY_EXIT").is_ok() {
        exit(0)
    }
}
