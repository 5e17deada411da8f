//! Suggest: the name that may have been meant, of commands, topics, settings and files. For options, see `unknown`.

/// From where on two names are alike, by Jaro and Winkler's measure.
const ALIKE: f64 = 0.75;

/// That of the names that is most like `written`, if one is like it.
pub(crate) fn nearest<'n>(
    names: impl IntoIterator<Item = &'n str>,
    written: &str,
) -> Option<&'n str> {
    // Two letters that have changed places are all that a short name has.
    let is_slip = |name: &str| strsim::osa_distance(name, written) <= 1;
    let alike = |name: &str| match is_slip(name) {
        true => 1.0,
        false => strsim::jaro_winkler(name, written),
    };
    let rated = names.into_iter().map(|name| (alike(name), name));
    let nearest = rated.max_by(|(a, _), (b, _)| a.total_cmp(b));
    nearest
        .filter(|(rate, _)| *rate > ALIKE)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_of_the_finger_is_found_and_a_word_of_its_own_is_not() {
        let names = ["map", "run", "bench", "doctor", "keep-order"];
        for (written, meant) in [
            ("mpa", Some("map")),
            ("maps", Some("map")),
            ("benhc", Some("bench")),
            ("keep-ordr", Some("keep-order")),
            ("parallel", None),
            ("", None),
        ] {
            assert_eq!(nearest(names, written), meant, "{written}");
        }
    }
}
