//! Where everything of a JSON text stands, in one row of marks: who walks over the text later does not read it again.
//!
//! Names and values have a mark each, in the order of the text. The mark of a container says which one comes behind all
//! that is in it. A row is used again for the next text.

/// Hears of every string, value and container as it is validated. For `()` there is nothing to do.
pub(super) trait Draw {
    /// A name or a value, between its quotes.
    fn string(&mut self, start: usize, end: usize, escaped: bool);

    /// A number, `true`, `false` or `null`.
    fn word(&mut self, start: usize, end: usize);

    fn open(&mut self, start: usize, is_object: bool);

    /// The container that was opened last and is not closed ends at `end`.
    fn close(&mut self, end: usize);
}

/// See the module's essay.
#[derive(Debug, Default)]
pub(crate) struct Outline {
    marks: Vec<Mark>,
    /// The innermost container that is open.
    open: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// In the text; of a string without its quotes.
    start: u32,
    end: u32,
    /// What comes behind it. Of a container that is still open: the one around it.
    next: u32,
    pub kind: MarkKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MarkKind {
    Plain,
    Escaped,
    Word,
    Object,
    Array,
}

// === impl Outline ===

impl Outline {
    pub(super) fn clear(&mut self) {
        self.marks.clear();
        self.open = 0;
    }

    pub(super) fn mark(&self, at: u32) -> Mark {
        self.marks[at as usize]
    }

    fn push(&mut self, start: usize, end: usize, kind: MarkKind) {
        let next = self.len() + 1;
        self.marks.push(Mark { start: position(start), end: position(end), next, kind });
    }

    fn len(&self) -> u32 {
        position(self.marks.len())
    }
}

impl Draw for &mut Outline {
    fn string(&mut self, start: usize, end: usize, escaped: bool) {
        self.push(start, end, if escaped { MarkKind::Escaped } else { MarkKind::Plain });
    }

    fn word(&mut self, start: usize, end: usize) {
        self.push(start, end, MarkKind::Word);
    }

    fn open(&mut self, start: usize, is_object: bool) {
        let kind = if is_object { MarkKind::Object } else { MarkKind::Array };
        let (mark, around) = (self.len(), self.open);
        self.marks.push(Mark { start: position(start), end: 0, next: around, kind });
        self.open = mark;
    }

    fn close(&mut self, end: usize) {
        let next = self.len();
        let mark = &mut self.marks[self.open as usize];
        self.open = mark.next;
        (mark.end, mark.next) = (position(end), next);
    }
}

impl Draw for () {
    fn string(&mut self, _: usize, _: usize, _: bool) {}

    fn word(&mut self, _: usize, _: usize) {}

    fn open(&mut self, _: usize, _: bool) {}

    fn close(&mut self, _: usize) {}
}

// === impl Mark ===

impl Mark {
    pub(super) fn range(&self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The mark behind it.
    pub(super) fn next(&self) -> u32 {
        self.next
    }
}

fn position(at: usize) -> u32 {
    u32::try_from(at).expect("a record is shorter than 4 GiB")
}
