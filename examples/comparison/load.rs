//! Load: the processor time that was used meanwhile, and how much of it by others.

use std::collections::HashSet;
use std::fs;
use std::thread;
use std::time::Instant;

/// The processor time that has been used, in seconds, as Linux counts it.
pub(super) struct Load {
    at: Instant,
    /// By everything on this machine; what a hypervisor took away is counted too.
    by_all: f64,
    /// By this process and those that it has started, in turn.
    by_us: f64,
}

impl Load {
    /// Reads `/proc`; `None` on a system that has none.
    pub(super) fn now() -> Option<Load> {
        const TICKS_PER_SECOND: f64 = 100.0;
        let machine = fs::read_to_string("/proc/stat").ok()?;
        let all = machine.lines().next()?.split_whitespace().enumerate();
        // cpu user nice system idle iowait irq softirq steal …
        let used = all.filter(|(place, _)| matches!(place, 1..=3 | 6..=8));
        let by_all: f64 = used
            .filter_map(|(_, field)| field.parse::<f64>().ok())
            .sum();
        let mut processes = Vec::new();
        for entry in fs::read_dir("/proc").ok()?.flatten() {
            let name = entry.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            // One that has just ended has no file.
            let text = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            // What follows the program's name, which may hold anything: state, parent, …
            let Some((_, fields)) = text.rsplit_once(')') else {
                continue;
            };
            let fields: Vec<f64> = fields
                .split_whitespace()
                .skip(1)
                .map(|field| field.parse().unwrap_or(0.0))
                .collect();
            let parent = fields.first().map_or(0, |&parent| parent as u32);
            // Its own time, and that of its children which have ended.
            processes.push((pid, parent, fields.iter().skip(10).take(4).sum::<f64>()));
        }
        // This process, its children, theirs, and so on.
        let mut ours = HashSet::from([std::process::id()]);
        while processes
            .iter()
            .any(|(pid, parent, _)| ours.contains(parent) && ours.insert(*pid))
        {}
        let is_ours = |pid: &u32| ours.contains(pid);
        let of_us = processes.iter().filter(|(pid, ..)| is_ours(pid));
        let by_us: f64 = of_us.map(|(.., time)| time).sum();
        Some(Load {
            at: Instant::now(),
            by_all: by_all / TICKS_PER_SECOND,
            by_us: by_us / TICKS_PER_SECOND,
        })
    }
}

/// Whether the cores were free for this program while the clock ran.
pub(super) fn verdict(load: Option<(Load, Load)>) -> String {
    let Some((before, after)) = load else {
        return "Whether the cores were free is unknown on this system.".to_owned();
    };
    let elapsed = after.at.duration_since(before.at).as_secs_f64();
    let by_us = after.by_us - before.by_us;
    let by_others = (after.by_all - before.by_all - by_us).max(0.0) / elapsed;
    let n_cores = thread::available_parallelism().map_or(1, usize::from);
    if by_others < 0.1 {
        "The cores were free.".to_owned()
    } else {
        format!(
            "The cores were not free: others used {by_others:.1} of {n_cores}, so the ratios say little."
        )
    }
}
