"""What a wrong request is answered with: an HTTP status and the field that is at fault."""


class Refusal(Exception):
    def __init__(self, param, why, status=400):
        super().__init__(f"{status} {param}: {why}")
        self.status, self.param, self.why = status, param, why
