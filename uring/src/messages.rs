//! Wake-ups on their way to other rings.

use anyio_driver::Unparker;

/// The receivers of messages that were asked for and not answered yet.
///
/// They are kept until then so that the descriptor of the receiver's ring stays the receiver's, and to wake it in
/// another way if the message fails.
#[derive(Default)]
pub(crate) struct Messages {
    receivers: Vec<Option<Unparker>>,
    free: Vec<u32>,
}

impl Messages {
    /// Keeps a receiver and gives the index under which it is kept.
    pub(crate) fn insert(&mut self, receiver: Unparker) -> u32 {
        if let Some(index) = self.free.pop() {
            self.receivers[index as usize] = Some(receiver);
            return index;
        }
        self.receivers.push(Some(receiver));
        self.receivers.len() as u32 - 1
    }

    /// Gives the receiver kept under this index, if there is one.
    pub(crate) fn remove(&mut self, index: u32) -> Option<Unparker> {
        let receiver = self.receivers.get_mut(index as usize)?.take()?;
        self.free.push(index);
        Some(receiver)
    }

    /// Gives all receivers that are still kept.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = Unparker> {
        self.free.clear();
        std::mem::take(&mut self.receivers).into_iter().flatten()
    }
}
