//! How many requests a bot may make: buckets for each route and resource, and one limit for all.

use std::collections::{BTreeMap, HashMap};

use crate::{
    control::types::{Rate, RateScope, RefuseRequests, Route},
    snowflake::Snowflake,
};

const MILLISECOND: u64 = 1_000_000;
/// Discord's limit for everything that a bot asks.
const GLOBAL: Rate = Rate {
    limit: 50,
    window_ms: 1_000,
};
/// A route's own limit where no test has narrowed it: no tighter than the global one.
const GENEROUS: Rate = Rate {
    limit: 250,
    window_ms: 5_000,
};
/// Windows that are remembered; those that are over are forgotten first.
const WINDOWS: usize = 10_000;

/// A request, as far as limits look at it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Whose token came with it.
    pub(super) bot: Option<Snowflake>,
    pub(super) route: Route,
    /// The guild, channel or webhook that it is about: each has buckets of its own.
    pub(super) resource: String,
}

impl Asked {
    /// The global limit does not count what answers an interaction.
    fn is_global(&self) -> bool {
        !["/interactions/", "/webhooks/"]
            .iter()
            .any(|prefix| self.route.path.starts_with(prefix))
    }

    /// The name of the bucket, the same for every resource.
    fn bucket(&self) -> String {
        let name = format!("{} {}", self.route.method, self.route.path);
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        format!("{hash:016x}")
    }
}

/// Where a request stands in its bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) bucket: String,
    pub(super) limit: u32,
    pub(super) remaining: u32,
    pub(super) reset_after_ns: u64,
    /// Which limit the request exceeds, and how long it has to wait.
    pub(super) exceeded: Option<(RateScope, u64)>,
}

/// All limits and how far they are used up.
#[derive(Debug)]
pub(crate) struct Limits {
    global: Rate,
    routes: BTreeMap<Route, Rate>,
    global_windows: HashMap<Option<Snowflake>, Window>,
    windows: HashMap<(Option<Snowflake>, Route, String), Window>,
    refusals: Vec<RefuseRequests>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            global: GLOBAL,
            routes: BTreeMap::new(),
            global_windows: HashMap::new(),
            windows: HashMap::new(),
            refusals: Vec::new(),
        }
    }
}

/// A window of time, from its first request on.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    ends_ns: u64,
    used: u32,
}

impl Window {
    /// Counts a request; true when it is one too many.
    fn count(&mut self, rate: Rate, now_ns: u64) -> bool {
        if now_ns >= self.ends_ns {
            *self = Self {
                ends_ns: now_ns + rate.window_ms * MILLISECOND,
                used: 0,
            };
        }
        let exceeded = self.used >= rate.limit;
        self.used += u32::from(!exceeded);
        exceeded
    }
}

impl Limits {
    /// Changes a route's limit, or the global one.
    pub(crate) fn set(&mut self, route: Option<Route>, rate: Rate) {
        match route {
            None => {
                self.global = rate;
                self.global_windows.clear();
            }
            Some(route) => {
                self.windows.retain(|(_, known, _), _| *known != route);
                self.routes.insert(route, rate);
            }
        }
    }

    /// Refuses the next requests.
    pub(crate) fn refuse(&mut self, refusal: RefuseRequests) {
        self.refusals.push(refusal);
    }

    /// Counts a request and says whether it may pass.
    pub(super) fn ask(&mut self, asked: &Asked, now_ns: u64) -> Standing {
        let rate = self.routes.get(&asked.route).copied().unwrap_or(GENEROUS);
        if self.windows.len() >= WINDOWS {
            self.windows.retain(|_, window| window.ends_ns > now_ns);
        }
        let ordered = self.refusal(&asked.route);
        let global = self.global_windows.entry(asked.bot).or_default();
        let global_exceeded = ordered.is_none() && asked.is_global() && global.count(self.global, now_ns);
        let global_wait = global.ends_ns.saturating_sub(now_ns);
        let key = (asked.bot, asked.route.clone(), asked.resource.clone());
        let window = self.windows.entry(key).or_default();
        let exceeded = if ordered.is_some() {
            ordered
        } else if global_exceeded {
            Some((RateScope::Global, global_wait))
        } else if window.count(rate, now_ns) {
            Some((RateScope::User, window.ends_ns - now_ns))
        } else {
            None
        };
        Standing {
            bucket: asked.bucket(),
            limit: rate.limit,
            remaining: rate.limit.saturating_sub(window.used),
            reset_after_ns: window.ends_ns.saturating_sub(now_ns),
            exceeded,
        }
    }

    /// A refusal that was ordered for this route.
    fn refusal(&mut self, route: &Route) -> Option<(RateScope, u64)> {
        self.refusals.retain(|refusal| refusal.times > 0);
        let refusal = self
            .refusals
            .iter_mut()
            .find(|refusal| refusal.route.as_ref().is_none_or(|only| only == route))?;
        refusal.times -= 1;
        Some((refusal.scope, refusal.retry_after_ms * MILLISECOND))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000 * MILLISECOND;

    fn asked(resource: &str) -> Asked {
        Asked {
            bot: Some(Snowflake(1)),
            route: route(),
            resource: resource.to_owned(),
        }
    }

    fn route() -> Route {
        Route {
            method: "POST".to_owned(),
            path: "/channels/{channel}/messages".to_owned(),
        }
    }

    fn two_a_second() -> Limits {
        let mut limits = Limits::default();
        let rate = Rate {
            limit: 2,
            window_ms: 1_000,
        };
        limits.set(Some(route()), rate);
        limits
    }

    #[test]
    fn a_bucket_empties_and_fills_again_and_belongs_to_one_resource() {
        let mut limits = two_a_second();
        assert_eq!(limits.ask(&asked("a"), 0).remaining, 1);
        assert_eq!(limits.ask(&asked("a"), SECOND / 4).remaining, 0);
        let refused = limits.ask(&asked("a"), SECOND / 2);
        assert_eq!(refused.exceeded, Some((RateScope::User, SECOND / 2)));
        assert_eq!(limits.ask(&asked("b"), SECOND / 2).exceeded, None);
        assert_eq!(limits.ask(&asked("a"), SECOND).exceeded, None);
    }

    #[test]
    fn the_global_limit_counts_all_routes_but_not_interactions() {
        let mut limits = Limits::default();
        for n in 0..50 {
            assert_eq!(limits.ask(&asked(&n.to_string()), 7).exceeded, None);
        }
        let refused = limits.ask(&asked("one more"), 7);
        assert_eq!(refused.exceeded, Some((RateScope::Global, SECOND)));
        let mut callback = asked("");
        callback.route.path = "/interactions/{interaction}/{token}/callback".to_owned();
        assert_eq!(limits.ask(&callback, 7).exceeded, None);
        let mut other = asked("one more");
        other.bot = Some(Snowflake(2));
        assert_eq!(limits.ask(&other, 7).exceeded, None);
    }

    #[test]
    fn ordered_refusals_come_first_and_use_nothing_up() {
        let mut limits = two_a_second();
        limits.refuse(RefuseRequests {
            times: 1,
            retry_after_ms: 250,
            scope: RateScope::Shared,
            route: Some(route()),
        });
        let mut elsewhere = asked("a");
        elsewhere.route.method = "GET".to_owned();
        assert_eq!(limits.ask(&elsewhere, 0).exceeded, None);
        let refused = limits.ask(&asked("a"), 0);
        assert_eq!(refused.exceeded, Some((RateScope::Shared, SECOND / 4)));
        assert_eq!(limits.ask(&asked("a"), 0).remaining, 1);
    }
}
