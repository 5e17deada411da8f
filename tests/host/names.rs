//! Names: which are refused, and what Python says of one that does not exist.

use owngil::{Backend, Error, Function, Pool};

use crate::ok;
use crate::support::{BACKENDS, builder, f, rows};

#[test]
fn names_that_collide_or_are_no_identifiers_are_refused_by_the_builder() {
    for names in [
        &["shop.price", "shop.price"][..],
        &["shop", "shop.price"],
        &["shop price"],
        &["shop.class"],
        &["__name__"],
        &[""],
    ] {
        let mut builder = Pool::builder().workers(1);
        for name in names {
            builder = builder.host_function(*name, || ok(()));
        }
        let Err(Error::Config {
            message: reason, ..
        }) = builder.build()
        else {
            panic!("{names:?} are refused");
        };
        assert!(reason.contains("host function"), "{reason}");
    }
}

#[test]
fn an_unknown_name_is_an_error_that_says_which_exist() {
    let error = |source: &str, pool: &Pool| match pool.call::<(), _>(&f(source), ()) {
        Err(Error::Python(error)) => (error.type_name().to_owned(), error.message().to_owned()),
        other => panic!("{source}: {other:?}"),
    };
    let nothing = || ok(());
    for backend in rows(BACKENDS) {
        let pool = builder(backend, 1)
            .host_function("depot.price", nothing)
            .host_function("depot.stock", nothing)
            .build()
            .unwrap();
        let (kind, message) = error("def f():\n    from owngil.host import nowhere", &pool);
        assert_eq!(kind, "ImportError");
        assert!(
            message.starts_with("owngil.host has no such host function\nhint: it has ")
                // In the main interpreter there are those of other tests, too.
                && (message.contains("depot") || backend == Backend::Thread),
            "{message}"
        );
        let (kind, message) = error(
            "from owngil.host import depot\ndef f(): depot.prise()",
            &pool,
        );
        assert_eq!(kind, "AttributeError");
        assert_eq!(
            message,
            "owngil.host.depot has no host function prise\nhint: it has price, stock"
        );
        let (kind, _) = error("def f():\n    from owngil.host.depot import prise", &pool);
        assert_eq!(kind, "ImportError");
        let asks =
            f("from owngil.host import depot\ndef f(): return hasattr(depot, 'prise'), dir(depot)");
        let (has, names): (bool, Vec<String>) = pool.call(&asks, ()).unwrap();
        assert!(!has && names.contains(&"price".to_owned()), "{names:?}");
    }
}

#[test]
fn a_function_knows_its_name() {
    let source = "
import inspect
from owngil.host.books import price
def f(): return price.__name__, price.__module__, callable(price), inspect.isbuiltin(price)
";
    for backend in rows(BACKENDS) {
        let price = || ok(());
        let pool = builder(backend, 1)
            .host_function("books.price", price)
            .build()
            .unwrap();
        let came: (String, String, bool, bool) = pool.call(&f(source), ()).unwrap();
        assert_eq!(
            came,
            ("price".into(), "owngil.host.books".into(), true, true)
        );
    }
}

#[test]
fn an_initializer_and_a_module_that_is_loaded_may_call_them() {
    let prepare = Function::source(
        "import owngil\nfrom owngil.host import rate\ndef prepare(): owngil.state.rate = rate()",
        "prepare",
    );
    let ask = f(
        "import owngil\nfrom owngil.host import rate\nATONCE = rate()\ndef f(): return owngil.state.rate + ATONCE",
    );
    for backend in rows(BACKENDS) {
        let pool = builder(backend, 2)
            .host_function("rate", || ok(3))
            .initializer(&prepare, ())
            .build()
            .unwrap();
        let came: owngil::Result<Vec<u8>> =
            pool.broadcast(&ask, ()).into_iter().flatten().collect();
        assert_eq!(came.unwrap(), [6, 6]);
    }
}
