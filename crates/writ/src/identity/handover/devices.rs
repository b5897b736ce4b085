//! Devices that wait for somebody to sign in for them, by the hash of their device code and by the code that is typed.
//! It begins and ends no session.
//!
//! Known attacks and the defence: guessing a user code (eight letters of twenty, behind the same counters as other codes,
//! and what it opens is a page that asks for a sign-in); a device that asks without pause (told to slow down, its
//! interval grows); starting so many that others get none (bounded for each site, and counted, not searched for).
//!
//! Always: what one device is given no other can fetch, and it is given once.

use super::Held;
use crate::identity::scopes::Wish;
use crate::identity::throttle::network;
use crate::identity::{Denied, Origin, random};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use writ_core::ids::Uuid;
use writ_core::time::{Span, Time};
use zeroize::Zeroizing;

/// How long a device waits for somebody.
const USER_CODE_SPAN: Span = Span::from_minutes(15);
/// How long it is known afterwards, so that it can be told what became of it.
const KNOWN_SPAN: Span = Span::from_minutes(5);
/// How many devices are kept at most, and how many from one site.
const DEVICES_MAX: usize = 10_000;
const DEVICES_MAX_FROM_ONE: u32 = 50;
/// The pause between two questions of a device, in seconds, and how much longer it gets when it is not kept
/// (RFC 8628, section 3.5).
const INTERVAL: u32 = 5;
const SLOWER: u32 = 5;
/// How much sooner a question may come: not every timer is exact, and most clients give up when told to slow down.
const SLACK: Span = Span::from_seconds(1);
/// Letters of user codes: no vowels, so no words; RFC 8628 (section 6.1) names the same.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// Letters in a user code: 25,600,000,000 codes.
const LENGTH: usize = 8;

/// What a device is told when it begins to wait. Its own code is a secret.
#[derive(Debug)]
pub struct Begun {
    /// What the device asks with.
    pub device_code: Secret,
    /// What somebody types.
    pub user_code: String,
    /// For how many seconds.
    pub seconds: u32,
    /// The pause between two questions, in seconds.
    pub interval: u32,
}

/// A device code. Wiped when dropped, never printed.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The value to hand on.
    pub fn value(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What is known of a device before somebody signs in for it.
#[derive(Clone, Debug)]
pub struct Looked {
    /// Which program it is, as it says itself, and what it wants.
    pub wish: Wish,
    /// Where it asks from.
    pub address: Option<IpAddr>,
    /// When it began.
    pub asked: Time,
}

/// What a device is answered.
#[derive(Debug)]
pub(super) enum Answer {
    Pending,
    TooOften,
    Declined,
    Expired,
    Ready(Held),
}

/// From where devices may be confirmed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DevicePolicy {
    /// No program is given a device code.
    Off,
    /// From the network that the device itself is in.
    #[default]
    SameNetwork,
    /// From everywhere. Whoever is talked into typing a code that was sent to them signs its sender in.
    Anywhere,
}

#[derive(Default)]
pub(super) struct Devices(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    devices: HashMap<[u8; 32], Device>,
    typed: HashMap<String, [u8; 32]>,
    /// How many are kept from each site.
    sites: HashMap<IpAddr, u32>,
}

struct Device {
    looked: Looked,
    site: IpAddr,
    user_code: String,
    until: Time,
    interval: u32,
    /// When it last asked.
    polled: Option<Time>,
    became: Became,
}

enum Became {
    Nothing,
    Declined,
    Confirmed(Held),
}

impl Devices {
    pub(super) fn begin(&self, wish: Wish, origin: &Origin, now: Time) -> Result<Begun, Denied> {
        let device_code = Secret(Zeroizing::new(B64.encode(*random::bytes::<32>()?)));
        let site = site(origin.address);
        let mut all = self.0.lock();
        let mut user_code = fresh_user_code()?;
        while all.typed.contains_key(&user_code) {
            user_code = fresh_user_code()?;
        }
        let from_here = all.sites.get(&site).copied().unwrap_or_default();
        if all.devices.len() >= DEVICES_MAX || from_here >= DEVICES_MAX_FROM_ONE {
            return Err(Denied::Busy);
        }
        all.sites.insert(site, from_here + 1);
        let key = hash(device_code.value());
        all.typed.insert(user_code.clone(), key);
        let device = Device {
            looked: Looked { wish, address: origin.address.map(|ip| ip.to_canonical()), asked: now },
            site,
            user_code: user_code.clone(),
            until: now + USER_CODE_SPAN,
            interval: INTERVAL,
            polled: None,
            became: Became::Nothing,
        };
        all.devices.insert(key, device);
        let shown = format!("{}-{}", &user_code[..LENGTH / 2], &user_code[LENGTH / 2..]);
        let seconds = u32::try_from(USER_CODE_SPAN.seconds()).unwrap_or(u32::MAX);
        Ok(Begun { device_code, user_code: shown, seconds, interval: INTERVAL })
    }

    /// What waits under a code, if nobody has said anything to it yet.
    pub(super) fn look(&self, typed: &str, now: Time) -> Result<Looked, Denied> {
        self.0.lock().waits(typed, now).map(|device| device.looked.clone()).ok_or(Denied::NoDevice)
    }

    pub(super) fn confirm(&self, typed: &str, held: Held, now: Time) -> Result<(), Denied> {
        let mut all = self.0.lock();
        let device = all.waits(typed, now).ok_or(Denied::NoDevice)?;
        device.became = Became::Confirmed(held);
        Ok(())
    }

    pub(super) fn decline(&self, typed: &str, now: Time) {
        if let Some(device) = self.0.lock().waits(typed, now) {
            device.became = Became::Declined;
        }
    }

    /// What a device is told that asks; nothing if it is not known, or is another program's.
    pub(super) fn poll(&self, code: &str, client: Uuid, now: Time) -> Option<Answer> {
        let mut all = self.0.lock();
        let key = hash(code);
        let device = all.devices.get_mut(&key).filter(|device| device.looked.wish.client == Some(client))?;
        if now >= device.until {
            return Some(Answer::Expired);
        }
        match device.became {
            Became::Declined => Some(Answer::Declined),
            Became::Nothing => {
                let before = device.polled.replace(now);
                let soonest = Span::from_seconds(device.interval);
                let too_often = before.is_some_and(|before| now.since(before) + SLACK < soonest);
                if too_often {
                    device.interval = device.interval.saturating_add(SLOWER);
                }
                Some(if too_often { Answer::TooOften } else { Answer::Pending })
            }
            Became::Confirmed(_) => {
                let device = all.devices.remove(&key)?;
                all.forget(&device);
                match device.became {
                    Became::Confirmed(held) => Some(Answer::Ready(held)),
                    Became::Nothing | Became::Declined => None,
                }
            }
        }
    }

    /// Takes out those that were confirmed and never asked again, and forgets the old ones.
    pub(super) fn over(&self, now: Time) -> Vec<Held> {
        let mut all = self.0.lock();
        let mut over = Vec::new();
        let gone = all.devices.extract_if(|_, device| {
            if now >= device.until
                && let Became::Confirmed(held) = std::mem::replace(&mut device.became, Became::Declined)
            {
                over.push(held);
            }
            now >= device.until + KNOWN_SPAN
        });
        let gone: Vec<Device> = gone.map(|(_, device)| device).collect();
        gone.iter().for_each(|device| all.forget(device));
        over
    }
}

impl Looked {
    /// Whether somebody there may confirm it.
    pub(super) fn allows(&self, policy: DevicePolicy, there: Option<IpAddr>) -> Result<(), Denied> {
        // A program and a browser on the server's own machine may reach it by different loopback addresses.
        let place = |ip: Option<IpAddr>| match ip.map(|ip| ip.to_canonical()) {
            Some(ip) if ip.is_loopback() => "loopback".to_owned(),
            ip => network(ip),
        };
        match policy {
            DevicePolicy::Anywhere => Ok(()),
            // Two who are both nowhere are not in one place.
            DevicePolicy::SameNetwork if there.is_some() && place(self.address) == place(there) => Ok(()),
            DevicePolicy::SameNetwork | DevicePolicy::Off => Err(Denied::Elsewhere(self.address)),
        }
    }
}

impl Waiting {
    /// Everything but the device itself, which was taken out.
    fn forget(&mut self, device: &Device) {
        self.typed.remove(&device.user_code);
        if let Entry::Occupied(mut from_there) = self.sites.entry(device.site) {
            *from_there.get_mut() -= 1;
            if *from_there.get() == 0 {
                from_there.remove();
            }
        }
    }

    fn waits(&mut self, typed: &str, now: Time) -> Option<&mut Device> {
        let key = self.typed.get(&read(typed)?)?;
        let device = self.devices.get_mut(key)?;
        (now < device.until && matches!(device.became, Became::Nothing)).then_some(device)
    }
}

/// Where devices are counted: IPv4 by the address, IPv6 by its /48, since that much, or a good part of it, is one
/// customer's; by /64 one of those would have as many places as there are. Those whose address is not known are one site.
fn site(from: Option<IpAddr>) -> IpAddr {
    match from.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |ip| ip.to_canonical()) {
        IpAddr::V6(ip) => {
            let [a, b, c, ..] = ip.segments();
            Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

/// A user code as it is kept: what somebody typed, without what stands between the letters and in any case.
fn read(typed: &str) -> Option<String> {
    if typed.len() > 4 * LENGTH {
        return None;
    }
    let letters = typed.chars().filter(|c| !matches!(c, '-' | ' ')).map(|c| c.to_ascii_uppercase());
    let code: String = letters.collect();
    (code.len() == LENGTH && code.bytes().all(|c| LETTERS.contains(&c))).then_some(code)
}

fn fresh_user_code() -> Result<String, Denied> {
    let mut code = String::new();
    while code.len() < LENGTH {
        // 240 is the largest multiple of twenty in a byte: every letter is as likely.
        let bytes = random::bytes::<16>()?;
        let letters = bytes.iter().filter(|byte| **byte < 240).map(|byte| LETTERS[usize::from(byte % 20)] as char);
        code.extend(letters.take(LENGTH - code.len()));
    }
    Ok(code)
}

fn hash(code: &str) -> [u8; 32] {
    Sha256::digest(code).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Option<IpAddr> {
        text.parse().ok()
    }

    #[test]
    fn the_policy_says_from_where_a_device_is_confirmed() {
        let at = |address| Looked { wish: Wish::default(), address, asked: Time::from_millis(0) };
        for (device, browser, same) in [
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("::ffff:192.0.2.7", "192.0.2.7", true),
            ("2001:db8:1:2::7", "2001:db8:1:2:ffff::8", true),
            ("2001:db8:1:2::7", "2001:db8:1:3::7", false),
            ("127.0.0.1", "::1", true),
            ("127.0.0.1", "192.0.2.7", false),
        ] {
            let allows = |policy| at(ip(device)).allows(policy, ip(browser)).is_ok();
            assert_eq!(allows(DevicePolicy::SameNetwork), same, "{device} {browser}");
            assert!(allows(DevicePolicy::Anywhere) && !allows(DevicePolicy::Off));
        }
        assert!(at(ip("192.0.2.7")).allows(DevicePolicy::SameNetwork, None).is_err(), "nobody knows where that is");
    }

    #[test]
    fn a_user_code_is_read_as_people_type_it() {
        for typed in ["BCDF-GHJK", "bcdfghjk", " bcdf ghjk ", "b-c-d-f-g-h-j-k"] {
            assert_eq!(read(typed).as_deref(), Some("BCDFGHJK"), "{typed}");
        }
        for odd in ["", "BCDF-GHJ", "BCDF-GHJKL", "ACDF-GHJK", "BCDF\u{2010}GHJK", "ßCDFGHJK"] {
            assert_eq!(read(odd), None, "{odd}");
        }
        let codes: std::collections::HashSet<_> = (0..200).map(|_| fresh_user_code().unwrap()).collect();
        assert!(codes.len() == 200 && codes.iter().all(|code| read(code).as_deref() == Some(code)));
    }
}
