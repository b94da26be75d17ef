//! Whether answers are complete and fresh, and why not.

use dataflow::source_status::{SourceView, State};
use dataflow::time::Time;

use crate::answer::instant;
use crate::operations::Operations;
use crate::problem::ago;

/// Every reason why answers as of `as_of` are not complete and fresh; none if they are.
pub(crate) fn unreadiness(operations: &Operations, sources: &[SourceView], as_of: Time) -> Option<String> {
    let mut reasons: Vec<String> = sources.iter().filter_map(|source| of_source(source, as_of)).collect();
    if sources.is_empty() {
        reasons.push("no source has started yet".into());
    }
    if !operations.read.has_reached_floor(as_of) {
        reasons.push("still catching up to the last state served before the restart".into());
    }
    let age_ms = operations.app.clock.now().saturating_sub(as_of);
    if operations.app.registry.freshness().as_of(as_of, &[]).is_none() {
        reasons.push("no state is ready yet: waiting for the sources to say what they hold".into());
    } else if age_ms > operations.settings.staleness_max_ms {
        reasons.push(format!("the newest state shown is as of {}, {} ago", instant::text(as_of), ago(age_ms)));
    }
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

fn of_source(source: &SourceView, as_of: Time) -> Option<String> {
    let name = source.name;
    let of_state = of_state(source, as_of)?;
    let aged = source.heard_until.filter(|until| *until > 0 && *until < as_of);
    let aged = aged.map(|until| format!("; lists made from {name} are as of {}", instant::text(until)));
    // A reason may end with an SQL statement and its semicolon.
    Some(of_state.trim_end_matches(';').to_owned() + &aged.unwrap_or_default())
}

fn of_state(source: &SourceView, as_of: Time) -> Option<String> {
    let name = source.name;
    match &source.state {
        State::Live if as_of < source.live_since => {
            Some(format!("{name} has caught up, but its last records are not visible yet"))
        }
        State::Live => None,
        State::CatchingUp => Some(format!("{name} is catching up")),
        State::Retrying(reason) => Some(format!("{name} is retrying: {reason}")),
        State::Stopped(reason) => Some(format!("{name} has stopped: {reason}")),
    }
}
