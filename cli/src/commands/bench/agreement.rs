//! Agreement: whether two calls returned the same.

use owngil::Value;

/// Whether two values are alike as far as can be seen: a NaN is like a NaN, sets and dicts have no
/// order, and of objects that cross pickled only the types are compared, since one object can be
/// pickled in many ways.
pub(crate) fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Float(one), Value::Float(other)) => {
            one == other || (one.is_nan() && other.is_nan())
        }
        (Value::List(one), Value::List(other)) | (Value::Tuple(one), Value::Tuple(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Set(one), Value::Set(other)) | (Value::FrozenSet(one), Value::FrozenSet(other)) => {
            sorted(one) == sorted(other)
        }
        (Value::Dict(one), Value::Dict(other)) if one.len() == other.len() => {
            let (one, other) = (sorted_pairs(one), sorted_pairs(other));
            one.iter()
                .zip(&other)
                .all(|(one, other)| one.0 == other.0 && same(one.1, other.1))
        }
        (Value::Opaque(one), Value::Opaque(other)) => one.type_name() == other.type_name(),
        _ => one == other,
    }
}

/// What the items of a set show of themselves, in an order that does not depend on theirs.
fn sorted(items: &[Value]) -> Vec<String> {
    let mut shown: Vec<String> = items.iter().map(shown).collect();
    shown.sort_unstable();
    shown
}

fn sorted_pairs(pairs: &[(Value, Value)]) -> Vec<(String, &Value)> {
    let mut sorted: Vec<_> = pairs
        .iter()
        .map(|(key, value)| (shown(key), value))
        .collect();
    sorted.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    sorted
}

fn shown(value: &Value) -> String {
    match value {
        Value::Opaque(opaque) => opaque.type_name().to_owned(),
        Value::Tuple(items) => items.iter().map(|item| shown(item) + ",").collect(),
        Value::FrozenSet(items) => format!("{:?}", sorted(items)),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_matters_in_lists_alone_and_nan_is_nan() {
        let int = |n| Value::Int(n);
        let list = |items: &[i64]| items.iter().copied().map(Value::Int).collect::<Vec<_>>();
        assert!(same(
            &Value::List(list(&[1, 2])),
            &Value::List(list(&[1, 2]))
        ));
        assert!(!same(
            &Value::List(list(&[1, 2])),
            &Value::List(list(&[2, 1]))
        ));
        assert!(!same(&Value::List(list(&[1])), &Value::Tuple(list(&[1]))));
        assert!(same(&Value::Set(list(&[1, 2])), &Value::Set(list(&[2, 1]))));
        assert!(!same(
            &Value::Set(list(&[1, 2])),
            &Value::Set(list(&[1, 3]))
        ));
        let nan = || Value::Float(f64::NAN);
        let one = vec![(int(1), nan()), (int(2), Value::Set(list(&[1, 2])))];
        let other = vec![(int(2), Value::Set(list(&[2, 1]))), (int(1), nan())];
        assert!(same(&Value::Dict(one.clone()), &Value::Dict(other)));
        let third = vec![(int(1), nan()), (int(3), nan())];
        assert!(!same(&Value::Dict(one), &Value::Dict(third)));
        assert!(!same(&int(1), &Value::Float(1.0)));
    }
}
