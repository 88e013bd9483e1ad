"""A second implementation of Sower's contract, written from proto/SPEC.md alone.

It imports nothing of the project and needs Python's standard library only. Its modules follow the sections of SPEC.md:

    refusal       section 11   what a request is refused with
    seeds         2, 3         seeds and their streams
    floats        -            the formats of numbers, each operation rounded once
    normal        5            the inverse normal CDF and its ranks
    laws          4            from a word to an element
    structures    7            initializers whose elements are no independent draws of one law
    catalogue     6, 7         the entries, their parameters, fans, and the law of each
    expressions   9            how an initializer is written
    requests      9            from the fields of a query string or a JSON object to a draw
    draws         8, 9         the draw id and the elements
    formats       10, 15       the header before the elements
    manifests     14           rules, globs, formulas, and the canonical form
    models        15           safetensors files
    ledger        12, 18       lines, links and signed heads
    answers       -            what proto/vectors/ keeps of all this

proto/vectors/ is made with it (tests/tables/vectors.py), and the C code is held against it by random requests
(tests/http/test_random_requests.py).
"""
