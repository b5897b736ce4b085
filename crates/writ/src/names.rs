//! Which of several named things somebody meant: by id, name, start of a name, initials or words.
//! It never guesses between two.
//!
//! Always: an exact name or id wins over everything that merely resembles it.

/// Something that can be meant.
pub trait Named {
    /// Its id, as text.
    fn id(&self) -> String;
    /// All its names, the one to show first.
    fn names(&self) -> Vec<&str>;
}

/// Those of `all` that the text can mean, best sort of match only, at most `max`; and how many there were.
pub fn meant<'a, T: Named>(typed: &str, all: impl IntoIterator<Item = &'a T>, max: usize) -> (Vec<&'a T>, usize) {
    let typed = typed.trim().to_lowercase();
    let mut best = (usize::MAX, Vec::new(), 0);
    for one in all {
        let Some(rank) = rank(&typed, one) else { continue };
        if rank < best.0 {
            best = (rank, Vec::new(), 0);
        }
        if rank == best.0 {
            best.2 += 1;
            if best.1.len() < max {
                best.1.push(one);
            }
        }
    }
    (best.1, best.2)
}

/// How well the text names it; smaller is better.
fn rank(typed: &str, one: &impl Named) -> Option<usize> {
    if typed.is_empty() {
        return None;
    }
    let id = one.id().to_lowercase();
    if id == typed {
        return Some(0);
    }
    let names: Vec<String> = one.names().iter().map(|name| name.to_lowercase()).collect();
    let any = |test: &dyn Fn(&str) -> bool| names.iter().any(|name| test(name));
    let words = |name: &str| {
        name.split([' ', '-', '.', '@', '_']).filter(|w| !w.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    if any(&|name| name == typed) {
        Some(1)
    } else if any(&|name| name.split_once('@').is_some_and(|(local, _)| local == typed)) {
        Some(2)
    } else if typed.len() >= 4 && id.starts_with(typed) {
        Some(3)
    } else if any(&|name| name.starts_with(typed)) {
        Some(4)
    } else if any(&|name| words(name).iter().filter_map(|w| w.chars().next()).collect::<String>() == *typed) {
        Some(5)
    } else if any(&|name| in_order(&words(typed), &words(name))) {
        Some(6)
    } else {
        None
    }
}

/// Whether each typed word begins a word of the name, in the same order.
fn in_order(typed: &[String], name: &[String]) -> bool {
    let mut rest = name.iter();
    !typed.is_empty() && typed.iter().all(|word| rest.any(|candidate| candidate.starts_with(word.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Role(&'static str, &'static [&'static str]);
    impl Named for Role {
        fn id(&self) -> String {
            self.0.to_owned()
        }
        fn names(&self) -> Vec<&str> {
            self.1.to_vec()
        }
    }
    const ROLES: &[Role] = &[
        Role("62e90394", &["Global Administrator", "Company Administrator"]),
        Role("fdd7a751", &["Groups Administrator"]),
        Role("f2ef992c", &["Global Reader"]),
        Role("9f06204d", &["Device Administrators", "Azure AD Joined Device Local Administrator"]),
        Role("7698a772", &["Cloud Device Administrator"]),
    ];
    fn meant_by(typed: &str) -> Vec<&'static str> {
        meant(typed, ROLES, 9).0.into_iter().map(|role| role.1[0]).collect()
    }

    #[test]
    fn short_forms_find_what_they_can_mean() {
        assert_eq!(meant_by("ga"), ["Global Administrator", "Groups Administrator"]);
        assert_eq!(meant_by("GLOBAL READER"), ["Global Reader"]);
        assert_eq!(meant_by("global"), ["Global Administrator", "Global Reader"]);
        assert_eq!(meant_by("9f06"), ["Device Administrators"]);
        assert_eq!(meant_by("company administrator"), ["Global Administrator"]);
        assert_eq!(meant_by("cl dev"), ["Cloud Device Administrator"]);
        assert_eq!(meant_by("device administrators"), ["Device Administrators"]);
        assert!(meant_by("").is_empty() && meant_by("nothing like it").is_empty());
    }
}
