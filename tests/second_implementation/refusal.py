"""The refusal of a wrong request: an HTTP status and the field at fault."""


class Refusal(Exception):
    def __init__(self, param, why, status=400):
        super().__init__(f"{status} {param}: {why}")
        self.status, self.param, self.why = status, param, why
