//! Contest: rounds in which the limit, owngil and its peers take turns.
//!
//! What else the machine does changes from second to second, so figures of one round are compared with
//! one another, and the median of the rounds' ratios is what counts. The first round warms up and is
//! thrown away. A round before or after which the cores were not free is repeated.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::Result;
use crate::measure::cores::{self, Usage};
use crate::report::line::{Entry, Line, Role, median};
use crate::setting::Setting;

/// For how long a row, which is a process, waits for free cores and repeats rounds. After that it takes
/// what comes, and says so.
const REPEATING: Duration = Duration::from_secs(20);
const REPEATING_QUICK: Duration = Duration::from_secs(3);

/// After how long a row does with fewer rounds: on busy cores all takes several times as long.
const ENOUGH: Duration = Duration::from_secs(150);
const ENOUGH_QUICK: Duration = Duration::from_secs(25);
const N_ROUNDS_MIN: usize = 3;

/// Who takes part.
pub(crate) struct Contest<'a> {
    entrants: Vec<Entrant<'a>>,
    /// In how many rounds that count peers take part: they take longer, and less hangs on them.
    n_peer_rounds: usize,
    /// Whether processes that take part end without anyone having waited for them, so that their time
    /// would be taken for that of others.
    has_strays: bool,
}

struct Entrant<'a> {
    name: String,
    role: Role,
    measure: Box<dyn FnMut() -> Result<f64> + 'a>,
    /// One for each round that counts; none where it sat out.
    values: Vec<Option<f64>>,
    failed: Option<String>,
}

/// The figures of all rounds.
pub(crate) struct Held {
    entrants: Vec<(Entry, Vec<Option<f64>>)>,
    on_busy_cores: bool,
}

impl<'a> Contest<'a> {
    pub(crate) fn new() -> Contest<'a> {
        Contest {
            entrants: Vec::new(),
            n_peer_rounds: usize::MAX,
            has_strays: false,
        }
    }

    /// Lets peers sit out all rounds but the first `n`.
    pub(crate) fn peers_for(mut self, n: usize) -> Self {
        self.n_peer_rounds = n;
        self
    }

    /// Says that processes end within a round without being waited for.
    pub(crate) fn with_strays(mut self) -> Self {
        self.has_strays = true;
        self
    }

    /// Adds one who measures a figure in each round.
    pub(crate) fn add(
        &mut self,
        role: Role,
        name: impl Into<String>,
        measure: impl FnMut() -> Result<f64> + 'a,
    ) {
        self.entrants.push(Entrant {
            name: name.into(),
            role,
            measure: Box::new(measure),
            values: Vec::new(),
            failed: None,
        });
    }

    /// Adds one who takes no part, and why.
    pub(crate) fn add_missing(&mut self, name: &str, reason: String) {
        self.add(Role::Peer, name, || Err("takes no part".into()));
        if let Some(entrant) = self.entrants.last_mut() {
            entrant.failed = Some(reason);
        }
    }

    /// Runs the rounds.
    pub(crate) fn hold(mut self, setting: &Setting, n_rounds: usize) -> Held {
        static START: OnceLock<Instant> = OnceLock::new();
        let start = START.get_or_init(Instant::now);
        self.round(0, false);
        let (mut n_done, mut n_tries, mut on_busy_cores) = (0, 0, false);
        while n_done < n_rounds {
            let long = start.elapsed() > setting.pick(ENOUGH, ENOUGH_QUICK);
            if long && n_done >= N_ROUNDS_MIN {
                break;
            }
            n_tries += 1;
            let may_wait = start.elapsed() < setting.pick(REPEATING, REPEATING_QUICK);
            let free_before = if may_wait {
                cores::wait_until_free()
            } else {
                cores::are_free()
            };
            let usage = Usage::now(&setting.mark).filter(|_| !self.has_strays);
            self.round(n_tries, true);
            let others_ran = usage.is_some_and(|usage| usage.others_ran(&setting.mark));
            let was_free = free_before && !others_ran && cores::are_free();
            if was_free || !may_wait || n_tries >= n_rounds + setting.pick(n_rounds, 2) {
                on_busy_cores |= !was_free;
                n_done += 1;
            } else {
                for entrant in &mut self.entrants {
                    entrant.values.pop();
                }
            }
        }
        self.held(on_busy_cores)
    }

    fn held(self, on_busy_cores: bool) -> Held {
        let entrants = self.entrants.into_iter().map(|entrant| {
            let entry = match entrant.failed {
                Some(reason) => Entry::missing(&entrant.name, entrant.role, &reason),
                None => {
                    let values: Vec<f64> = entrant.values.iter().copied().flatten().collect();
                    Entry::of(&entrant.name, entrant.role, &values)
                }
            };
            (entry, entrant.values)
        });
        Held {
            entrants: entrants.collect(),
            on_busy_cores,
        }
    }

    /// Runs one round and none before it, on whatever cores: for what takes long and is no matter of
    /// time.
    pub(crate) fn hold_once(mut self) -> Held {
        self.round(0, true);
        self.held(false)
    }

    /// Everyone's turn, beginning with another one each time.
    fn round(&mut self, number: usize, counts: bool) {
        let n = self.entrants.len();
        for place in 0..n {
            let entrant = &mut self.entrants[(place + number) % n];
            let sits_out = entrant.role == Role::Peer && entrant.values.len() >= self.n_peer_rounds;
            let mut value = None;
            if entrant.failed.is_none() && !sits_out {
                match (entrant.measure)() {
                    Ok(measured) => value = Some(measured),
                    Err(error) => entrant.failed = Some(error.to_string()),
                }
            }
            if counts {
                entrant.values.push(value);
            }
        }
    }
}

impl Held {
    /// Puts the figures into a line.
    pub(crate) fn enter(&self, line: &mut Line) {
        for role in [Role::Ours, Role::Limit, Role::Peer] {
            let of_role = self.entrants.iter().filter(|(entry, _)| entry.role == role);
            line.entries.extend(of_role.map(|(entry, _)| entry.clone()));
        }
        line.on_busy_cores |= self.on_busy_cores;
    }

    pub(crate) fn entries(&self, role: Role) -> impl Iterator<Item = Entry> {
        let of_role = self
            .entrants
            .iter()
            .filter(move |(entry, _)| entry.role == role);
        of_role.map(|(entry, _)| entry.clone())
    }

    pub(crate) fn on_busy_cores(&self) -> bool {
        self.on_busy_cores
    }

    fn values(&self, name: &str) -> &[Option<f64>] {
        let found = self.entrants.iter().find(|(entry, _)| entry.name == name);
        found.map_or(&[], |(_, values)| values)
    }

    /// What the two figures give, for each round in which both took part.
    pub(crate) fn pairs(&self, one: &str, other: &str, f: impl Fn(f64, f64) -> f64) -> Vec<f64> {
        let pairs = self.values(one).iter().zip(self.values(other));
        pairs
            .filter_map(|(one, other)| Some(f((*one)?, (*other)?)))
            .collect()
    }

    /// The median over the rounds of one's figure divided by the other's; NaN where one is missing.
    pub(crate) fn ratio(&self, one: &str, by: &str) -> f64 {
        median(&self.pairs(one, by, |one, by| one / by)).unwrap_or(f64::NAN)
    }

    /// The peer with the highest figure.
    pub(crate) fn best_peer(&self) -> Option<&str> {
        let peers = self.entrants.iter().filter_map(|(entry, _)| {
            let spread = entry.spread.filter(|_| entry.role == Role::Peer)?;
            Some((entry.name.as_str(), spread.median))
        });
        let best = peers.max_by(|(_, one), (_, other)| one.total_cmp(other));
        best.map(|(name, _)| name)
    }
}
