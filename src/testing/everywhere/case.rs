//! What is done to one run of the body, and how that is written down.

use std::{env, fmt, str::FromStr};

/// The variable of the environment that names the one run which is to be done again.
pub(super) const CASE_VARIABLE: &str = "ANYIO_EVERYWHERE";

/// How a body is cut short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Cancel,
    Timeout,
    Drop,
}

/// When a body is cut short at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// Nothing has begun; for a future that is dropped, the kernel has not heard of it.
    Before,
    /// What is waited for is under way.
    InFlight,
    /// It has come, and the task that waits has not been polled.
    Done,
}

/// What is cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    Whole,
    /// The child of a group that has come to the checkpoint.
    Child,
}

/// One interference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// From 1 on.
    pub(super) point: usize,
    pub(super) moment: Moment,
    pub(super) reach: Reach,
}

impl Step {
    pub(super) const fn whole(point: usize, moment: Moment) -> Self {
        Self { point, moment, reach: Reach::Whole }
    }

    pub(super) const fn child(point: usize, moment: Moment) -> Self {
        Self { point, moment, reach: Reach::Child }
    }
}

/// All that is done to one run: one step, or a pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) manner: Manner,
    pub(super) steps: Vec<Step>,
}

impl Case {
    /// The only one that the environment wants, if it names one.
    ///
    /// # Panics
    /// If it names what is none.
    pub(super) fn wanted() -> Option<Self> {
        let name = env::var(CASE_VARIABLE).ok()?;
        match name.parse() {
            Ok(case) => Some(case),
            Err(Unknown) => {
                panic!("{CASE_VARIABLE}: {name:?} names no run; one is named as in cancel:17:in-flight")
            }
        }
    }
}

const MANNERS: [(Manner, &str); 3] =
    [(Manner::Cancel, "cancel"), (Manner::Timeout, "timeout"), (Manner::Drop, "drop")];
const MOMENTS: [(Moment, &str); 3] =
    [(Moment::Before, "before"), (Moment::InFlight, "in-flight"), (Moment::Done, "done")];

fn name_of<T: PartialEq + Copy>(names: &[(T, &'static str)], wanted: T) -> &'static str {
    names.iter().find(|(value, _)| *value == wanted).map_or("", |(_, name)| name)
}

fn named<T: Copy>(names: &[(T, &'static str)], name: &str) -> Result<T, Unknown> {
    names.iter().find(|(_, known)| *known == name).map(|(value, _)| *value).ok_or(Unknown)
}

impl fmt::Display for Manner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name_of(&MANNERS, *self))
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.manner)?;
        for (place, step) in self.steps.iter().enumerate() {
            let sign = if place == 0 { ':' } else { '+' };
            write!(f, "{sign}{}:{}", step.point, name_of(&MOMENTS, step.moment))?;
            if step.reach == Reach::Child {
                f.write_str(":child")?;
            }
        }
        Ok(())
    }
}

/// It is not the name of a case.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unknown;

impl FromStr for Case {
    type Err = Unknown;

    fn from_str(name: &str) -> Result<Self, Unknown> {
        let (manner, steps) = name.split_once(':').ok_or(Unknown)?;
        Ok(Self {
            manner: named(&MANNERS, manner)?,
            steps: steps.split('+').map(str::parse).collect::<Result<_, _>>()?,
        })
    }
}

impl FromStr for Step {
    type Err = Unknown;

    fn from_str(name: &str) -> Result<Self, Unknown> {
        let mut parts = name.split(':');
        let point =
            parts.next().and_then(|point| point.parse().ok()).filter(|&point| point > 0).ok_or(Unknown)?;
        let moment = named(&MOMENTS, parts.next().ok_or(Unknown)?)?;
        let reach = match (parts.next(), parts.next()) {
            (None, _) => Reach::Whole,
            (Some("child"), None) => Reach::Child,
            _ => return Err(Unknown),
        };
        Ok(Self { point, moment, reach })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_read_as_it_was_written() {
        let steps = vec![Step::child(3, Moment::Done), Step::whole(17, Moment::InFlight)];
        for manner in [Manner::Cancel, Manner::Timeout, Manner::Drop] {
            let case = Case { manner, steps: steps.clone() };
            assert_eq!(case.to_string().parse(), Ok(case));
        }
        assert_eq!(Case { manner: Manner::Cancel, steps }.to_string(), "cancel:3:done:child+17:in-flight");
        for wrong in
            ["", "cancel", "cancel:0:before", "cancel:1", "cancel:1:soon", "cancel:1:done:all", "end:1:done"]
        {
            assert_eq!(wrong.parse::<Case>(), Err(Unknown), "{wrong}");
        }
    }
}
