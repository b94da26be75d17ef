//! A store that runs a step of a test before or after a chosen request, once.

use std::sync::{Arc, Mutex};

use archive::store::{Lock, Object, Store, StoreError, Version};
use bytes::Bytes;

/// When a step is run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Moment {
    Before,
    After,
}

type IsOf = Box<dyn Fn(&str) -> bool + Send>;
type Run<S> = Box<dyn FnOnce(&S) + Send>;

struct Step<S> {
    moment: Moment,
    doing: &'static str,
    is_of: IsOf,
    run: Run<S>,
}

pub(crate) struct Steps<S> {
    store: Arc<S>,
    steps: Mutex<Vec<Step<S>>>,
}

impl<S: Store> Steps<S> {
    pub(crate) fn of(store: &Arc<S>) -> Steps<S> {
        Steps { store: store.clone(), steps: Mutex::default() }
    }

    /// Runs a step at the next such request for an object whose name is of the chosen ones.
    pub(crate) fn at(
        self,
        (moment, doing): (Moment, &'static str),
        is_of: impl Fn(&str) -> bool + Send + 'static,
        run: impl FnOnce(&S) + Send + 'static,
    ) -> Steps<S> {
        let step = Step { moment, doing, is_of: Box::new(is_of), run: Box::new(run) };
        self.steps.lock().expect("no holder of this lock panics").push(step);
        self
    }

    /// How many steps have not been run.
    pub(crate) fn left(&self) -> usize {
        self.steps.lock().expect("no holder of this lock panics").len()
    }

    fn run(&self, moment: Moment, doing: &str, name: &str) {
        let mut steps = self.steps.lock().expect("no holder of this lock panics");
        let found = steps.iter().position(|step| step.moment == moment && step.doing == doing && (step.is_of)(name));
        let step = found.map(|index| steps.remove(index));
        drop(steps);
        if let Some(step) = step {
            (step.run)(&self.store);
        }
    }

    fn around<T>(&self, doing: &str, name: &str, request: impl FnOnce(&S) -> T) -> T {
        self.run(Moment::Before, doing, name);
        let answer = request(&self.store);
        self.run(Moment::After, doing, name);
        answer
    }
}

impl<S: Store> Store for Steps<S> {
    fn list(&self, prefix: &str) -> Result<Vec<Object>, StoreError> {
        self.around("list", prefix, |store| store.list(prefix))
    }

    fn put(&self, name: &str, bytes: Bytes) -> Result<(), StoreError> {
        self.around("write", name, |store| store.put(name, bytes))
    }

    fn get(&self, name: &str) -> Result<Bytes, StoreError> {
        self.around("read", name, |store| store.get(name))
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        self.around("remove", name, |store| store.remove(name))
    }

    fn read(&self, name: &str) -> Result<Option<(Bytes, Version)>, StoreError> {
        self.around("read", name, |store| store.read(name))
    }

    fn versions(&self, prefix: &str) -> Result<Vec<(Object, Version)>, StoreError> {
        self.around("list", prefix, |store| store.versions(prefix))
    }

    fn replace(&self, name: &str, bytes: Bytes, version: &Version) -> Result<bool, StoreError> {
        self.around("write", name, |store| store.replace(name, bytes, version))
    }

    fn lock(&self) -> Result<Lock, StoreError> {
        self.store.lock()
    }
}
