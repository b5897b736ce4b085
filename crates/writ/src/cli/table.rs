//! Tables and marks for people: aligned by what the eye sees, cut to the terminal's width, colour only as an accent.
//! It never writes; callers print the text.
//!
//! Always: control characters from the outside never reach the terminal; without a terminal there is no colour.

use std::fmt::Write;

/// What the output can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Columns, between 40 and 120.
    pub width: usize,
    /// Whether escape sequences may be used.
    pub colour: bool,
}

/// The few accents there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accent {
    /// It is so, and good.
    Good,
    /// It was refused or failed.
    Bad,
    /// It waits, or needs a look.
    Wait,
    /// Less important than the rest.
    Dim,
    /// A heading.
    Strong,
}

impl Look {
    /// Plain text of the usual width.
    pub const PLAIN: Look = Look { width: 96, colour: false };

    /// Text with an accent, where accents can be shown.
    pub fn paint(self, accent: Accent, text: &str) -> String {
        let code = match accent {
            Accent::Good => "32",
            Accent::Bad => "31",
            Accent::Wait => "33",
            Accent::Dim => "2",
            Accent::Strong => "1",
        };
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// Text from the outside, fit for a terminal: control characters and direction overrides become a dot.
pub fn clean(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}'..='\u{200f}')
    };
    text.chars().map(|c| if hidden(c) { '·' } else { c }).collect()
}

/// How many columns a text takes. Wide characters of East Asian scripts take two; combining marks none.
pub fn columns(text: &str) -> usize {
    text.chars()
        .map(|c| match c {
            '\u{300}'..='\u{36f}' | '\u{fe00}'..='\u{fe0f}' => 0,
            '\u{1100}'..='\u{115f}'
            | '\u{2e80}'..='\u{a4cf}'
            | '\u{ac00}'..='\u{d7a3}'
            | '\u{f900}'..='\u{faff}'
            | '\u{fe30}'..='\u{fe6f}'
            | '\u{ff00}'..='\u{ff60}'
            | '\u{ffe0}'..='\u{ffe6}'
            | '\u{1f300}'..='\u{1faff}' => 2,
            _ => 1,
        })
        .sum()
}

/// A text cut to this many columns, with a mark where it was cut.
pub fn cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        if columns(&kept) + columns(c.encode_utf8(&mut [0; 4])) + 1 > width {
            break;
        }
        kept.push(c);
    }
    kept.push('…');
    kept
}

/// A text padded on the right to this many columns.
pub fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(columns(text))))
}

/// A text broken at spaces into lines of at most this many columns.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().filter(|line| line.is_empty() || columns(line) + 1 + columns(word) <= width);
        match line {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => {
                let _ = write!(line, " {word}");
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A cell: what it says and how.
#[derive(Clone, Debug)]
pub struct Cell {
    text: String,
    accent: Option<Accent>,
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: clean(text.as_ref()), accent: None }
    }
}

impl Cell {
    /// A cell with an accent.
    pub fn painted(accent: Accent, text: impl AsRef<str>) -> Self {
        Self { accent: Some(accent), ..Self::from(text) }
    }
}

/// Narrower than this a table that does not fit is no table: its cells stand under each other.
const STACKED: usize = 64;

/// Rows under each other, columns aligned, two spaces before and between. The last column takes what is left; what does
/// not fit goes on below, and nothing is left out but the end of a single word that is too long. A no-break space is kept together, and printed as a
/// plain one, so that a command can be copied.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: Vec<Row>,
}

#[derive(Clone, Debug)]
enum Row {
    Heading(String),
    Cells(Vec<Cell>),
}

impl Row {
    fn cell(&self, n: usize) -> Option<&Cell> {
        match self {
            Row::Cells(cells) => cells.get(n),
            Row::Heading(_) => None,
        }
    }
    fn len(&self) -> usize {
        match self {
            Row::Cells(cells) => cells.len(),
            Row::Heading(_) => 0,
        }
    }
}

impl Table {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(Row::Cells(cells.into_iter().collect()));
    }

    /// Adds a heading; the columns under all headings align.
    pub fn heading(&mut self, text: &str) {
        self.rows.push(Row::Heading(text.to_owned()));
    }

    /// Whether there is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as text, each line ended.
    pub fn told(&self, look: Look) -> String {
        let count = self.rows.iter().map(Row::len).max().unwrap_or(0);
        let mut widths: Vec<usize> = (0..count)
            .map(|n| self.rows.iter().filter_map(|row| row.cell(n)).map(|cell| columns(&cell.text)).max().unwrap_or(0))
            .collect();
        // An all-empty column takes no room.
        let shown: Vec<usize> = (0..count).filter(|n| widths[*n] > 0).collect();
        let Some(last) = shown.last().copied() else { return String::new() };
        let fixed = |widths: &[usize]| shown.iter().filter(|n| **n != last).map(|n| widths[*n] + 2).sum::<usize>() + 2;
        let tight = |widths: &[usize]| fixed(widths) + widths[last].min(24) > look.width;
        if look.width < STACKED && tight(&widths) {
            return self.stacked(look);
        }
        while tight(&widths) {
            let Some(widest) = shown.iter().copied().filter(|n| *n != last).max_by_key(|n| widths[*n]) else { break };
            if widths[widest] <= 8 {
                break;
            }
            widths[widest] -= 1;
        }
        widths[last] = look.width.saturating_sub(fixed(&widths)).max(16);
        let mut out = String::new();
        for row in &self.rows {
            if let Row::Heading(text) = row {
                let _ = writeln!(out, "{}", look.paint(Accent::Strong, text));
                continue;
            }
            let cells: Vec<Vec<String>> = shown.iter().map(|n| broken(row.cell(*n), widths[*n], *n == last)).collect();
            for at in 0..cells.iter().map(Vec::len).max().unwrap_or(0) {
                let mut line = String::from("  ");
                for (n, parts) in shown.iter().zip(&cells) {
                    let text = parts.get(at).map_or("", String::as_str);
                    line.push_str(&painted(look, row.cell(*n), text));
                    line.push_str(&pad("", (widths[*n] + 2).saturating_sub(columns(text))));
                }
                out.push_str(line.trim_end());
                out.push('\n');
            }
        }
        out.replace('\u{a0}', " ")
    }

    /// For a terminal too narrow for columns: each row's first cell, and the others below it.
    fn stacked(&self, look: Look) -> String {
        let mut out = String::new();
        for row in &self.rows {
            let cells = match row {
                Row::Heading(text) => {
                    let _ = writeln!(out, "{}", look.paint(Accent::Strong, text));
                    continue;
                }
                Row::Cells(cells) => cells,
            };
            for (n, cell) in cells.iter().enumerate().filter(|(_, cell)| !cell.text.is_empty()) {
                let indent = if n == 0 { 2 } else { 4 };
                for part in broken(Some(cell), look.width.saturating_sub(indent).max(16), false) {
                    let _ = writeln!(out, "{}{}", " ".repeat(indent), painted(look, Some(cell), &part));
                }
            }
        }
        out.replace('\u{a0}', " ")
    }
}

/// A cell in lines of at most this many columns. A word that is longer is cut, unless it may be something to copy.
fn broken(cell: Option<&Cell>, width: usize, whole_words: bool) -> Vec<String> {
    let lines = wrap(cell.map_or("", |cell| cell.text.as_str()), width);
    if whole_words { lines } else { lines.iter().map(|line| cut(line, width)).collect() }
}

fn painted(look: Look, cell: Option<&Cell>, text: &str) -> String {
    match cell.and_then(|cell| cell.accent) {
        Some(accent) if !text.is_empty() => look.paint(accent, text),
        _ => text.to_owned(),
    }
}

/// Names as people list them: `Ben Okafor`, `Ben Okafor or Carla Ruiz`, `a, b or c`, with at most `max` named.
pub fn listed(names: &[String], word: &str, max: usize) -> String {
    let more = names.len().saturating_sub(max);
    match names {
        [] => String::new(),
        [one] => one.clone(),
        _ if more > 0 => format!("{} {word} {more} more", names[..max].join(", ")),
        [rest @ .., end] => format!("{} {word} {end}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_a_long_last_cell_goes_on_below() {
        let mut table = Table::new();
        table.row(["duration".into(), "4 h asked; this role allows 2 h at most".into(), "--for 2h".into()]);
        table.row(["reason".into(), "say why".into(), "--because \"…\"".into()]);
        insta::assert_snapshot!(table.told(Look::PLAIN), @r#"
          duration  4 h asked; this role allows 2 h at most  --for 2h
          reason    say why                                  --because "…"
        "#);
        let mut table = Table::new();
        table.row(["a".into(), "one two three four five six seven eight nine ten eleven twelve".into()]);
        insta::assert_snapshot!(table.told(Look { width: 40, colour: false }), @r"
          a  one two three four five six seven
             eight nine ten eleven twelve
        ");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_when_cells_are_long() {
        let mut table = Table::new();
        table.row(["x".repeat(90).into(), "y".repeat(50).into(), "word ".repeat(30).into()]);
        let told = table.told(Look { width: 80, colour: false });
        assert!(told.lines().all(|line| columns(line) <= 80), "{told}");
    }

    #[test]
    fn nothing_is_left_out_where_there_is_little_room() {
        let mut table = Table::new();
        table.heading("ACTIVE");
        table.row([
            "Device Administrators".into(),
            "tenant".into(),
            "ends in 05:00 (18:01)".into(),
            "effective on 1 of 1 hosts".into(),
        ]);
        insta::assert_snapshot!(table.told(Look { width: 70, colour: false }), @r"
        ACTIVE
          Device            tenant  ends in 05:00     effective on 1 of 1
          Administrators            (18:01)           hosts
        ");
        insta::assert_snapshot!(table.told(Look { width: 44, colour: false }), @r"
        ACTIVE
          Device Administrators
            tenant
            ends in 05:00 (18:01)
            effective on 1 of 1 hosts
        ");
    }

    #[test]
    fn what_others_wrote_cannot_move_the_cursor_or_turn_the_text_round() {
        assert_eq!(clean("a\u{1b}[2Jb\u{202e}c\n"), "a·[2Jb·c·");
        let mut table = Table::new();
        table.row(["a\u{1b}]0;title\u{7}".into()]);
        assert!(!table.told(Look { width: 80, colour: true }).contains('\u{1b}'));
    }

    #[test]
    fn names_are_listed_as_people_do() {
        let names: Vec<String> = ["Ben", "Carla", "Dana", "Eve"].map(str::to_owned).to_vec();
        assert_eq!(listed(&names[..1], "or", 3), "Ben");
        assert_eq!(listed(&names[..3], "or", 3), "Ben, Carla or Dana");
        assert_eq!(listed(&names, "or", 2), "Ben, Carla or 2 more");
    }
}
