//! SVG: text and shapes, written as a picture that browsers show. `make bench` draws with it, too.

use std::fmt::{self, Write};

/// A picture that is being written.
pub(crate) struct Svg(String);

impl Svg {
    /// An empty picture. `style` is CSS for the classes of its elements.
    pub(crate) fn new((width, height): (f64, f64), title: &str, style: &str) -> Svg {
        Svg(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}\" height=\"{height}\" role=\"img\">\n<title>{}</title>\n<style>{style}</style>\n",
            escaped(title)
        ))
    }

    /// An element without content, such as a `circle`.
    pub(crate) fn element(&mut self, name: &str, class: &str, attributes: fmt::Arguments<'_>) {
        self.push(format_args!("<{name} class=\"{class}\" {attributes}/>\n"));
    }

    pub(crate) fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        self.element(
            "line",
            class,
            format_args!("x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\""),
        );
    }

    pub(crate) fn text(&mut self, class: &str, (x, y): (f64, f64), text: &str) {
        let text = escaped(text);
        self.push(format_args!(
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>\n"
        ));
    }

    /// The picture as a file.
    pub(crate) fn finish(mut self) -> String {
        self.0.push_str("</svg>\n");
        self.0
    }

    fn push(&mut self, element: fmt::Arguments<'_>) {
        self.0
            .write_fmt(element)
            .expect("a String takes everything");
    }
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            // XML cannot hold these.
            c if c.is_control() => safe.push('\u{FFFD}'),
            c => safe.push(c),
        }
    }
    safe
}
