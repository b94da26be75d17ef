//! The lines of `vitrine check`: a mark, the finding, and how to mend it.

use std::io::{self, Write};

/// Writes the lines and remembers whether one was bad.
pub(super) struct CheckReport<W> {
    out: W,
    bad: bool,
}

impl<W: Write> CheckReport<W> {
    pub(super) fn new(out: W) -> CheckReport<W> {
        CheckReport { out, bad: false }
    }

    /// Reports a check that passed.
    pub(super) fn good(&mut self, found: &str) -> io::Result<()> {
        writeln!(self.out, "✔ {found}")
    }

    /// Reports a fact that is worth knowing and no fault.
    pub(super) fn note(&mut self, found: &str) -> io::Result<()> {
        writeln!(self.out, "• {found}")
    }

    /// Reports a fault; each line of `mend` is one way to mend it.
    pub(super) fn bad(&mut self, found: &str, mend: &[String]) -> io::Result<()> {
        self.bad = true;
        writeln!(self.out, "✖ {found}")?;
        mend.iter().try_for_each(|way| writeln!(self.out, "    mend: {way}"))
    }

    /// Whether nothing was bad so far.
    pub(super) fn all_good(&self) -> bool {
        !self.bad
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_line_makes_the_whole_bad() {
        let mut out = Vec::new();
        let mut report = CheckReport::new(&mut out);
        report.good("a").expect("memory can be written");
        assert!(report.all_good());
        report.bad("b", &["c".into()]).expect("memory can be written");
        report.note("d").expect("memory can be written");
        assert!(!report.all_good());
        assert_eq!(String::from_utf8(out).expect("UTF-8"), "✔ a\n✖ b\n    mend: c\n• d\n");
    }
}
