//! Shard: which inputs belong to this machine, of several that get the same inputs.

use std::str::FromStr;

/// `K/N`, `auto` or `auto/N`, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShardArg {
    Named(Shard),
    /// The scheduler tells which, and of how many unless that is named.
    Auto(Option<u64>),
}

/// One of every so many inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    /// From 0.
    place: u64,
    n: u64,
}

impl Shard {
    fn new(place: u64, n: u64) -> Option<Shard> {
        (place < n).then_some(Shard { place, n })
    }

    /// Whether the input is in it.
    pub(crate) fn has(&self, index: u64) -> bool {
        index % self.n == self.place
    }
}

impl FromStr for ShardArg {
    type Err = String;

    fn from_str(text: &str) -> Result<ShardArg, String> {
        let wrong = || format!("{text:?} must be K/N with K from 1 to N, or auto, or auto/N");
        let number = |text: &str| text.parse::<u64>().ok().filter(|number| *number > 0);
        match text.split_once('/') {
            None if text == "auto" => Ok(ShardArg::Auto(None)),
            Some(("auto", n)) => Ok(ShardArg::Auto(Some(number(n).ok_or_else(wrong)?))),
            Some((k, n)) => {
                let (k, n) = number(k).zip(number(n)).ok_or_else(wrong)?;
                Shard::new(k - 1, n).map(ShardArg::Named).ok_or_else(wrong)
            }
            None => Err(wrong()),
        }
    }
}

/// Array jobs of schedulers: where they tell the task, the first, the step, and how many there are.
const SCHEDULERS: [Scheduler; 4] = [
    Scheduler {
        name: "Slurm",
        task: "SLURM_ARRAY_TASK_ID",
        first: Some("SLURM_ARRAY_TASK_MIN"),
        step: Some("SLURM_ARRAY_TASK_STEP"),
        last: None,
        count: Some("SLURM_ARRAY_TASK_COUNT"),
    },
    Scheduler {
        name: "Kubernetes",
        task: "JOB_COMPLETION_INDEX",
        first: None,
        step: None,
        last: None,
        count: None,
    },
    Scheduler {
        name: "AWS Batch",
        task: "AWS_BATCH_JOB_ARRAY_INDEX",
        first: None,
        step: None,
        last: None,
        count: Some("AWS_BATCH_JOB_ARRAY_SIZE"),
    },
    Scheduler {
        name: "Grid Engine",
        task: "SGE_TASK_ID",
        first: Some("SGE_TASK_FIRST"),
        step: Some("SGE_TASK_STEPSIZE"),
        last: Some("SGE_TASK_LAST"),
        count: None,
    },
];

struct Scheduler {
    name: &'static str,
    task: &'static str,
    /// The number of the first task; 0 without it.
    first: Option<&'static str>,
    step: Option<&'static str>,
    last: Option<&'static str>,
    count: Option<&'static str>,
}

impl ShardArg {
    /// Which shard this is, by what `variable` says of the environment.
    pub(crate) fn resolve(
        self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Shard, String> {
        let n_named = match self {
            ShardArg::Named(shard) => return Ok(shard),
            ShardArg::Auto(n) => n,
        };
        let found = SCHEDULERS.iter().find_map(|scheduler| {
            let task = variable(scheduler.task)?;
            // Grid Engine sets it outside of arrays too.
            (task != "undefined").then_some((scheduler, task))
        });
        let Some((scheduler, task)) = found else {
            let names: Vec<&str> = SCHEDULERS.iter().map(|scheduler| scheduler.task).collect();
            return Err(format!("none of {} is set", names.join(", ")));
        };
        let read = |name: &str, text: &str| {
            let number = text.trim().parse::<u64>();
            number.map_err(|_| format!("{name} is {text:?}, which is not a number"))
        };
        let known = |name: Option<&'static str>| match name
            .and_then(|name| Some((name, variable(name)?)))
        {
            Some((name, text)) => read(name, &text).map(Some),
            None => Ok(None),
        };
        let task = read(scheduler.task, &task)?;
        let first = known(scheduler.first)?.unwrap_or(0);
        let step = known(scheduler.step)?.unwrap_or(1).max(1);
        let last = known(scheduler.last)?;
        let by_last = last.map(|last| last.saturating_sub(first) / step + 1);
        let n = match n_named.or(known(scheduler.count)?).or(by_last) {
            Some(n) => n,
            None => {
                return Err(format!(
                    "{} does not report the number of tasks: write auto/N",
                    scheduler.name
                ));
            }
        };
        let place = task.checked_sub(first).map(|place| place / step);
        place.and_then(|place| Shard::new(place, n)).ok_or_else(|| {
            format!(
                "{} is {task}, which is none of {n} tasks from {first} on",
                scheduler.task
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auto(text: &str, variables: &[(&str, &str)]) -> Result<(u64, u64), String> {
        let variable = |name: &str| {
            let known = variables.iter().find(|(known, _)| *known == name);
            known.map(|(_, value)| (*value).to_owned())
        };
        let shard = text.parse::<ShardArg>().unwrap().resolve(variable)?;
        Ok((shard.place + 1, shard.n))
    }

    #[test]
    fn all_shards_together_have_each_input_once() {
        for n in 1..5 {
            let shards: Vec<Shard> = (1..=n)
                .map(|k| match format!("{k}/{n}").parse().unwrap() {
                    ShardArg::Named(shard) => shard,
                    other => panic!("{other:?}"),
                })
                .collect();
            for index in 0..20 {
                assert_eq!(shards.iter().filter(|shard| shard.has(index)).count(), 1);
            }
        }
    }

    #[test]
    fn schedulers_tell_which_shard_this_is() {
        let slurm = [
            ("SLURM_ARRAY_TASK_ID", "7"),
            ("SLURM_ARRAY_TASK_MIN", "3"),
            ("SLURM_ARRAY_TASK_STEP", "2"),
            ("SLURM_ARRAY_TASK_COUNT", "5"),
        ];
        assert_eq!(auto("auto", &slurm), Ok((3, 5)));
        assert_eq!(
            auto(
                "auto",
                &[
                    ("SLURM_ARRAY_TASK_ID", "0"),
                    ("SLURM_ARRAY_TASK_COUNT", "4")
                ]
            ),
            Ok((1, 4))
        );
        assert_eq!(auto("auto/8", &[("JOB_COMPLETION_INDEX", "7")]), Ok((8, 8)));
        let aws = [
            ("AWS_BATCH_JOB_ARRAY_INDEX", "1"),
            ("AWS_BATCH_JOB_ARRAY_SIZE", "2"),
        ];
        assert_eq!(auto("auto", &aws), Ok((2, 2)));
        let grid = [
            ("SGE_TASK_ID", "5"),
            ("SGE_TASK_FIRST", "1"),
            ("SGE_TASK_LAST", "10"),
            ("SGE_TASK_STEPSIZE", "4"),
        ];
        assert_eq!(auto("auto", &grid), Ok((2, 3)));
    }

    #[test]
    fn what_schedulers_do_not_tell_is_said() {
        let error = |text, variables: &[(&str, &str)]| auto(text, variables).unwrap_err();
        assert!(error("auto", &[]).contains("SLURM_ARRAY_TASK_ID"));
        assert!(error("auto", &[("SGE_TASK_ID", "undefined")]).contains("none of"));
        assert!(error("auto", &[("JOB_COMPLETION_INDEX", "1")]).contains("auto/N"));
        assert!(error("auto/2", &[("JOB_COMPLETION_INDEX", "2")]).contains("none of 2 tasks"));
        assert!(error("auto/2", &[("JOB_COMPLETION_INDEX", "x")]).contains("not a number"));
        for text in [
            "", "1", "0/2", "3/2", "1/0", "a/b", "auto/", "auto/0", "1/2/3",
        ] {
            assert!(text.parse::<ShardArg>().is_err(), "{text}");
        }
    }
}
