"""The Python example of README.md, asked until it refuses; prints the statuses as JSON."""

import json
import pathlib
import re
import sys
import warnings

warnings.simplefilter("ignore")
from fastapi.testclient import TestClient  # noqa: E402

README = pathlib.Path(sys.argv[1]).read_text()
(example,) = re.findall(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)

program: dict = {"__name__": "main"}
exec(compile(example, "README.md", "exec"), program)
with TestClient(program["app"]) as client:
    answers = [client.get("/reports") for _ in range(6)]
print(json.dumps([[answer.status_code, answer.headers["x-ratelimit-remaining"]]
                  for answer in answers]))
