"""A second implementation of Sower's contract, written from proto/SPEC.md alone.

It uses no other code of the project and only Python's standard library. Its modules follow the sections of SPEC.md:

    refusal       section 11   the refusal of a request
    seeds         2, 3         seeds and their streams
    floats        -            the formats of numbers, each operation rounded once
    normal        5            the inverse normal CDF and its ranks
    laws          4            from a word to an element
    structures    7            initializers whose elements are not independent draws of one law
    catalogue     6, 7         the entries, their parameters, fans, and the law of each
    expressions   9            initializers as text and as objects
    requests      9            from the fields of a query string or a JSON object to a draw
    draws         8, 9         the draw id and the elements
    formats       10, 15       the headers before the elements
    manifests     14           rules, globs, formulas, and the canonical form
    models        15           safetensors files
    ledger        12, 18       lines, links and signed heads
    results       -            the results that proto/vectors/ has

tests/tables/vectors.py makes proto/vectors/ with it, and tests/http/test_random_requests.py compares the C code with it by
random requests.
"""
