//! The Merkle tree over the log (RFC 6962): one hash that stands for every entry so far.
//! It keeps only the right edge of the tree; proofs are made from leaf hashes that the caller gives.
//!
//! Always: a frontier of n leaves gives the same root as the whole tree of n leaves.

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// The size of a log and the root hash of its tree.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The number of entries.
    pub size: u64,
    /// The root hash of the tree over them.
    #[serde(with = "super::as_hex")]
    pub root: Hash,
}

impl Head {
    /// The head of a log without entries: its root is the hash of nothing (RFC 6962, section 2.1).
    pub fn empty() -> Self {
        Self { size: 0, root: Sha256::digest([]).into() }
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} entries, root {}", self.size, hex::encode(self.root))
    }
}

/// The hash of an entry's bytes as a leaf.
pub fn leaf(bytes: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(bytes).finalize().into()
}

/// The hash of two subtrees as one.
fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The right edge of the tree: the roots of its whole subtrees, the largest first. At most 64 hashes, whatever
/// the size of the log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Default for Frontier {
    fn default() -> Self {
        Self::new()
    }
}

impl Frontier {
    /// The frontier of a log without entries.
    pub const fn new() -> Self {
        Self { size: 0, peaks: Vec::new() }
    }

    /// The number of leaves.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds the next leaf.
    pub fn append(&mut self, leaf: Hash) {
        self.append_whole(leaf, 0);
    }

    /// Adds the next 2^`level` leaves by the root over them. The size must be a multiple of that number, and no smaller
    /// trees stand at the edge then; anything else is our mistake.
    pub fn append_whole(&mut self, root: Hash, level: u32) {
        let wholes = self.size >> level;
        assert_eq!(wholes << level, self.size, "whole trees are added only behind whole trees of that size");
        let mut hash = root;
        // Each trailing one in that number is a whole subtree that this one completes.
        for _ in 0..wholes.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node(&left, &hash);
            }
        }
        self.peaks.push(hash);
        self.size += 1 << level;
    }

    /// The root hash of the whole tree.
    pub fn root(&self) -> Hash {
        self.peaks.iter().rev().copied().reduce(|right, left| node(&left, &right)).unwrap_or(Head::empty().root)
    }

    /// Size and root.
    pub fn head(&self) -> Head {
        Head { size: self.size, root: self.root() }
    }
}

/// A frontier as a snapshot keeps it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    size: u64,
    peaks: Vec<Peak>,
}

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Peak(#[serde(with = "super::as_hex")] Hash);

impl From<Frontier> for Stored {
    fn from(frontier: Frontier) -> Self {
        Self { size: frontier.size, peaks: frontier.peaks.into_iter().map(Peak).collect() }
    }
}

impl TryFrom<Stored> for Frontier {
    type Error = &'static str;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        // One whole subtree for each one in the size's binary digits.
        if stored.peaks.len() != stored.size.count_ones() as usize {
            return Err("a frontier has one hash for each one in the binary digits of its size");
        }
        Ok(Self { size: stored.size, peaks: stored.peaks.into_iter().map(|Peak(hash)| hash).collect() })
    }
}

/// The root of the tree over these leaves. Cost: one hash per leaf.
pub fn root(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::new();
    leaves.iter().for_each(|leaf| frontier.append(*leaf));
    frontier.root()
}

/// The largest power of two below `size`, which is at least 2.
fn split(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

/// The proof that the leaf at `index` (from 0) is in the tree over `leaves` (RFC 6962, section 2.1.1).
/// None if there is no such leaf.
pub fn prove_inclusion(leaves: &[Hash], index: usize) -> Option<Vec<Hash>> {
    if index >= leaves.len() {
        return None;
    }
    let (mut leaves, mut index, mut proof) = (leaves, index, Vec::new());
    while leaves.len() > 1 {
        let (left, right) = leaves.split_at(split(leaves.len() as u64) as usize);
        if index < left.len() {
            proof.push(root(right));
            leaves = left;
        } else {
            proof.push(root(left));
            index -= left.len();
            leaves = right;
        }
    }
    proof.reverse();
    Some(proof)
}

/// True when the proof shows that `leaf` is the leaf at `index` (from 0) of the tree with this head (RFC 9162,
/// section 2.1.3.2).
#[must_use]
pub fn includes(head: &Head, leaf: Hash, index: u64, proof: &[Hash]) -> bool {
    if index >= head.size {
        return false;
    }
    let (mut position, mut last, mut hash) = (index, head.size - 1, leaf);
    for part in proof {
        if last == 0 {
            return false;
        }
        if position & 1 == 1 || position == last {
            hash = node(part, &hash);
            while position & 1 == 0 && position != 0 {
                position >>= 1;
                last >>= 1;
            }
        } else {
            hash = node(&hash, part);
        }
        position >>= 1;
        last >>= 1;
    }
    last == 0 && hash == head.root
}

/// The subtrees whose roots, in this order, prove that the tree over the first `old` leaves is a prefix of the tree
/// over `new` (RFC 6962, section 2.1.2), as ranges of leaves counted from 0: at most 65. None if `new` is smaller.
///
/// Each range begins at a multiple of the smallest power of two that is no smaller than its length.
pub fn consistency_parts(old: u64, new: u64) -> Option<Vec<Range<u64>>> {
    if old > new {
        return None;
    }
    let mut parts = Vec::new();
    if old == 0 || old == new {
        return Some(parts);
    }
    let (mut tree, mut whole) = (0..new, true);
    while old != tree.end {
        let middle = tree.start + split(tree.end - tree.start);
        if old <= middle {
            parts.push(middle..tree.end);
            tree.end = middle;
        } else {
            parts.push(tree.start..middle);
            tree.start = middle;
            whole = false;
        }
    }
    if !whole {
        parts.push(tree);
    }
    parts.reverse();
    Some(parts)
}

/// True when the proof shows that the log with the old head is a prefix of the log with the new one (RFC 9162,
/// section 2.1.4.2). Every log continues the empty one.
#[must_use]
pub fn continues(old: &Head, new: &Head, proof: &[Hash]) -> bool {
    if old.size == 0 {
        return *old == Head::empty() && proof.is_empty();
    }
    if old.size >= new.size {
        return old == new && proof.is_empty();
    }
    let mut parts = proof.iter();
    // A whole tree of 2^k leaves is its own first part.
    let first = if old.size.is_power_of_two() { Some(&old.root) } else { parts.next() };
    let Some(first) = first else { return false };
    let (mut position, mut last) = (old.size - 1, new.size - 1);
    while position & 1 == 1 {
        position >>= 1;
        last >>= 1;
    }
    let (mut old_root, mut new_root) = (*first, *first);
    for part in parts {
        if last == 0 {
            return false;
        }
        if position & 1 == 1 || position == last {
            old_root = node(part, &old_root);
            new_root = node(part, &new_root);
            while position & 1 == 0 && position != 0 {
                position >>= 1;
                last >>= 1;
            }
        } else {
            new_root = node(&new_root, part);
        }
        position >>= 1;
        last >>= 1;
    }
    last == 0 && old_root == old.root && new_root == new.root
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The leaves and roots that the certificate transparency projects test with.
    #[test]
    fn roots_are_those_of_rfc_6962() {
        let leaves =
            ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut frontier = Frontier::new();
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hex::encode(frontier.root()), empty);
        for (data, expected) in leaves.iter().zip(roots) {
            frontier.append(leaf(&hex::decode(data).unwrap()));
            assert_eq!(hex::encode(frontier.root()), expected, "{} leaves", frontier.size());
        }
    }

    /// The definition in RFC 6962, section 2.1, word for word.
    fn root_by_definition(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Head::empty().root,
            [one] => *one,
            _ => {
                let (left, right) = leaves.split_at(split(leaves.len() as u64) as usize);
                node(&root_by_definition(left), &root_by_definition(right))
            }
        }
    }

    fn leaves(count: usize) -> Vec<Hash> {
        (0..count).map(|n| leaf(&n.to_be_bytes())).collect()
    }

    fn prove_consistency(leaves: &[Hash], old: usize) -> Option<Vec<Hash>> {
        let parts = consistency_parts(old as u64, leaves.len() as u64)?;
        Some(
            parts.into_iter().map(|part| root_by_definition(&leaves[part.start as usize..part.end as usize])).collect(),
        )
    }

    fn head(leaves: &[Hash]) -> Head {
        Head { size: leaves.len() as u64, root: root_by_definition(leaves) }
    }

    #[test]
    fn every_leaf_and_every_prefix_has_a_proof() {
        for size in 0..=33 {
            let all = leaves(size);
            assert_eq!(root(&all), root_by_definition(&all));
            for index in 0..size {
                let proof = prove_inclusion(&all, index).unwrap();
                assert!(includes(&head(&all), all[index], index as u64, &proof), "{index} of {size}");
                let other = (index + 1) % size.max(2);
                assert!(!includes(&head(&all), leaf(b"another"), index as u64, &proof));
                assert!(!includes(&head(&all), all[index], other as u64, &proof));
            }
            for old in 0..=size {
                let proof = prove_consistency(&all, old).unwrap();
                assert!(continues(&head(&all[..old]), &head(&all), &proof), "{old} of {size}");
                let forked = Head { root: leaf(b"forked"), size: old as u64 };
                assert!(!continues(&forked, &head(&all), &proof), "{old} of {size}");
            }
            assert_eq!(prove_inclusion(&all, size), None);
            assert_eq!(prove_consistency(&all, size + 1), None);
        }
    }

    #[test]
    fn every_part_of_a_proof_lies_at_the_edge_of_whole_trees() {
        for new in 1..=300u64 {
            for old in 1..new {
                for part in consistency_parts(old, new).unwrap() {
                    let length = part.end - part.start;
                    assert_eq!(part.start % length.next_power_of_two(), 0, "{part:?} of {old} to {new}");
                }
            }
        }
        assert!(consistency_parts(u64::MAX / 3, u64::MAX).unwrap().len() <= 65);
    }

    #[test]
    fn a_tree_made_of_whole_trees_is_the_tree_of_their_leaves() {
        let all = leaves(83);
        for level in 0..5u32 {
            let mut frontier = Frontier::new();
            let (whole, rest) = all.split_at(all.len() >> level << level);
            whole.chunks(1 << level).for_each(|tree| frontier.append_whole(root(tree), level));
            rest.iter().for_each(|leaf| frontier.append(*leaf));
            assert_eq!(frontier.head(), head(&all), "trees of {} leaves", 1 << level);
        }
    }

    proptest! {
        #[test]
        fn a_proof_with_a_changed_part_proves_nothing(size in 2usize..80, index in 0usize..80, part in 0usize..8, bit in 0u8..8) {
            let (all, index) = (leaves(size), index % size);
            let mut proof = prove_inclusion(&all, index).unwrap();
            let part = part % proof.len();
            proof[part][0] ^= 1 << bit;
            prop_assert!(!includes(&head(&all), all[index], index as u64, &proof));

            let old = index;
            let mut proof = prove_consistency(&all, old).unwrap();
            if !proof.is_empty() {
                let part = part % proof.len();
                proof[part][0] ^= 1 << bit;
                prop_assert!(!continues(&head(&all[..old]), &head(&all), &proof));
            }
        }

        #[test]
        fn no_proof_makes_the_checks_panic(sizes in any::<(u64, u64)>(), index in any::<u64>(), parts in 0usize..70) {
            let proof = leaves(parts);
            let (old, new) = (Head { size: sizes.0, root: [1; 32] }, Head { size: sizes.1, root: [2; 32] });
            prop_assert!(!includes(&new, [3; 32], index, &proof));
            prop_assert!(!continues(&old, &new, &proof));
        }

        #[test]
        fn a_frontier_reads_back_as_written(size in 0usize..200, more in 0usize..20) {
            let all = leaves(size + more);
            let mut frontier = Frontier::new();
            all[..size].iter().for_each(|leaf| frontier.append(*leaf));
            let mut read: Frontier = serde_json::from_slice(&serde_json::to_vec(&frontier).unwrap()).unwrap();
            prop_assert_eq!(&read, &frontier);
            all[size..].iter().for_each(|leaf| read.append(*leaf));
            prop_assert_eq!(read.head(), head(&all));
        }
    }

    #[test]
    fn a_frontier_with_too_few_hashes_is_refused() {
        let text = r#"{"size":3,"peaks":["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]}"#;
        assert!(serde_json::from_str::<Frontier>(text).is_err());
    }
}
