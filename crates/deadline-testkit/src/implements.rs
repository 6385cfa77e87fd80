//! Which auto traits a type has, and which it has not.

/// Whether a type implements a trait, as a constant: so a test can say that it does not, too.
///
/// ```
/// use deadline_testkit::implements;
///
/// const { assert!(implements!(String: Send)) };
/// const { assert!(!implements!(std::rc::Rc<str>: Send)) };
/// const { assert!(implements!(std::rc::Rc<str>: Clone)) };
/// ```
///
/// A build that relies on it fails where it is not so:
///
/// ```compile_fail
/// const { assert!(deadline_testkit::implements!(std::rc::Rc<str>: Send)) };
/// ```
///
/// The type has to be a concrete one: within a generic function the answer is always `false`.
#[macro_export]
macro_rules! implements {
    ($type:ty : $trait:path) => {{
        trait Otherwise {
            const IMPLEMENTS: bool = false;
        }

        impl<T: ?Sized> Otherwise for T {}

        struct Asked<T: ?Sized>(::core::marker::PhantomData<T>);

        #[expect(dead_code, reason = "it is found only where the type implements the trait")]
        impl<T: ?Sized + $trait> Asked<T> {
            const IMPLEMENTS: bool = true;
        }

        <Asked<$type>>::IMPLEMENTS
    }};
}
