//! Contest: rounds in which the limit, owngil and its peers take turns.
//!
//! What else the machine does changes from second to second, so figures of one round are compared with
//! one another, and the median of the rounds' ratios is what counts. The first round warms up and is
//! thrown away. A round before or after which the cores were not free is repeated.

use crate::Result;
use crate::cores;
use crate::line::{Entry, Line, Role, median};
use crate::setting::Setting;

/// Who takes part.
pub(crate) struct Contest<'a> {
    entrants: Vec<Entrant<'a>>,
}

struct Entrant<'a> {
    name: String,
    role: Role,
    measure: Box<dyn FnMut() -> Result<f64> + 'a>,
    /// One for each round that counts.
    values: Vec<f64>,
    failed: Option<String>,
}

/// The figures of all rounds.
pub(crate) struct Held {
    entrants: Vec<(Entry, Vec<f64>)>,
    on_busy_cores: bool,
}

impl<'a> Contest<'a> {
    pub(crate) fn new() -> Contest<'a> {
        Contest {
            entrants: Vec::new(),
        }
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
        self.round(0, false);
        let (mut n_done, mut n_tries, mut on_busy_cores) = (0, 0, false);
        while n_done < n_rounds {
            n_tries += 1;
            let free_before = cores::wait_until_free();
            self.round(n_tries, true);
            let may_retry = n_tries < setting.pick(2 * n_rounds + 2, n_rounds + 2);
            if (free_before && cores::are_free()) || !may_retry {
                on_busy_cores |= !free_before || !may_retry;
                n_done += 1;
            } else {
                self.take_back();
            }
        }
        let entrants = self.entrants.into_iter().map(|entrant| {
            let entry = match entrant.failed {
                Some(reason) => Entry::missing(&entrant.name, entrant.role, &reason),
                None => Entry::of(&entrant.name, entrant.role, &entrant.values),
            };
            (entry, entrant.values)
        });
        Held {
            entrants: entrants.collect(),
            on_busy_cores,
        }
    }

    /// Everyone's turn, beginning with another one each time.
    fn round(&mut self, number: usize, counts: bool) {
        let n = self.entrants.len();
        for place in 0..n {
            let entrant = &mut self.entrants[(place + number) % n];
            if entrant.failed.is_some() {
                continue;
            }
            match (entrant.measure)() {
                Ok(value) if counts => entrant.values.push(value),
                Ok(_) => {}
                Err(error) => entrant.failed = Some(error.to_string()),
            }
        }
    }

    fn take_back(&mut self) {
        for entrant in &mut self.entrants {
            entrant.values.pop();
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

    pub(crate) fn values(&self, name: &str) -> &[f64] {
        let found = self.entrants.iter().find(|(entry, _)| entry.name == name);
        found.map_or(&[], |(_, values)| values)
    }

    /// The median over the rounds of one's figure divided by the other's; NaN where one is missing.
    pub(crate) fn ratio(&self, name: &str, by: &str) -> f64 {
        let pairs = self.values(name).iter().zip(self.values(by));
        let ratios: Vec<f64> = pairs.map(|(one, other)| one / other).collect();
        median(&ratios).unwrap_or(f64::NAN)
    }

    /// The peer with the highest figure, or with the lowest.
    pub(crate) fn best_peer(&self, higher_is_better: bool) -> Option<(&str, f64)> {
        let peers = self.entrants.iter().filter_map(|(entry, _)| {
            let spread = entry.spread.filter(|_| entry.role == Role::Peer)?;
            Some((entry.name.as_str(), spread.median))
        });
        peers.max_by(|(_, one), (_, other)| {
            let order = one.total_cmp(other);
            if higher_is_better {
                order
            } else {
                order.reverse()
            }
        })
    }
}
