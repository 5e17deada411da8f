"""Makes a function of code from the command line. The host puts that in for the text below."""

__file__ = "<source>"


def _made(text):
    import sys

    # A module, by which pickle and dataclasses find what is defined in it.
    module = sys.modules["__code__"] = type(sys)("__code__")
    names = vars(module)
    expression = _expression(text)
    if expression is None:
        return _made_of_statements(text, names)
    return eval(expression, names)


def _expression(text):
    try:
        return compile(text.strip(), "<code>", "eval")
    except SyntaxError:
        return None


def _made_of_statements(text, names):
    import ast

    tree = ast.parse(text, "<code>")
    last = tree.body[-1] if tree.body else None
    if isinstance(last, ast.Expr):
        tree.body.pop()
        exec(compile(tree, "<code>", "exec"), names)
        return eval(compile(ast.Expression(last.value), "<code>", "eval"), names)
    exec(compile(tree, "<code>", "exec"), names)
    if isinstance(last, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return names[last.name]
    raise ValueError("the last statement is neither an expression nor a function")


code = _made("CODE")
