"""Section 8: the draw id; and the elements of a draw (sections 3, 4 and 7)."""
import functools
import struct

from .seeds import Stream, blake2b, experiment_seed, root_id, tensor_seed, trial_seed


def listed(numbers):
    return ",".join(str(number) for number in numbers)


def parameter_text(kind, value):
    if kind == "choice":
        return value
    return struct.pack(">d", float(value)).hex()


class Draw:
    """A draw, from a request whose fields are resolved. `made` is its law, or a function that makes its structure from a seed."""

    def __init__(self, request, sets, tensor, made, root):
        self.request, self.sets, self.tensor, self.made, self.root = request, sets, tensor, made, root

    @functools.cached_property
    def seed(self):
        trial = trial_seed(experiment_seed(self.root, self.request.experiment), self.request.trial)
        return tensor_seed(trial, self.request.name)

    @functools.cached_property
    def canonical(self):
        request, entry = self.request, self.request.initializer.entry
        lines = ["sower draw", "spec=1", f"root={root_id(self.root).hex()}",
                 f"experiment={len(request.experiment.encode())}:{request.experiment}", f"trial={request.trial}",
                 f"name={len(request.name.encode())}:{request.name}", f"shape={listed(request.shape)}", f"dtype={request.dtype}",
                 f"init={entry.name}"]
        values = request.initializer.values
        lines += [f"init.{p.name}={parameter_text(p.kind, values[p.name])}" for p in entry.parameters if p.is_written(values[p.name])]
        lines += [f"layout={request.layout}"]
        lines += [f"{name}_axes={listed(axes)}" for name, axes in zip(("in", "out", "batch"), self.sets)]
        lines += [f"fan_in={request.fan_in or 0}", f"fan_out={request.fan_out or 0}"]
        lines += [f"{name}={listed(indices)}" for name, indices in (("zero_rows", request.zero_rows), ("zero_columns", request.zero_columns)) if indices]
        return "".join(line + "\n" for line in lines)

    @functools.cached_property
    def id(self):
        return blake2b(self.canonical.encode())

    @functools.cached_property
    def element(self):
        """A function from an index and its number in C order to the element's bytes."""
        rows, columns, zero = set(self.request.zero_rows or ()), set(self.request.zero_columns or ()), bytes(self.tensor.dtype.size)
        if not rows and not columns:
            return self.other_element
        return lambda index, flat: zero if index[0] in rows or index[-1] in columns else self.other_element(index, flat)

    @functools.cached_property
    def other_element(self):
        """The same for an element that is in no zero row and in no zero column."""
        form, dtype = self.tensor.form, self.tensor.dtype
        if callable(self.made):
            structure = self.made(self.seed)
            return lambda index, flat: dtype.encode(dtype.round(form.round(structure.element(index, flat))))
        words = Stream(self.seed)
        return lambda index, flat: dtype.encode(dtype.round(self.made.element(words.word(flat, form.size))))

    def bytes(self, region, places):
        """The elements at some indices of a region, in C order."""
        counts = [stop - start for start, stop in region]
        return b"".join(self.at(place, region, counts) for place in places)

    def at(self, n, region, counts):
        index, flat, stride = [], 0, 1
        for (start, _), count, size in zip(reversed(region), reversed(counts), reversed(self.request.shape)):
            n, step = divmod(n, count)
            index.insert(0, start + step)
            flat += (start + step) * stride
            stride *= size
        return self.element(index, flat)
