"""Completes command lines in real shells: a line is typed, then the tab key."""
import os
import pathlib
import pty
import re
import shlex
import shutil
import subprocess

import pytest

from conftest import ROOT, SOWERD

BUILD = pathlib.Path(SOWERD).parent
COMPLETIONS = [ROOT / "client/sow/completions", ROOT / "server/completions"]
TAB, SHOW = b"\t", b"\x0f"  # Ctrl-O prints the line between marks


class Shell:
    """One kind of shell. Its files are in `home`, where the lines are completed too."""

    def __init__(self, home):
        self.home = home
        self.environment = {"PATH": f"{BUILD}:/usr/bin:/bin", "HOME": str(home), "ZDOTDIR": str(home), "TERM": "xterm", "LC_ALL": "C.UTF-8",
                            "INPUTRC": "/dev/null", "XDG_CONFIG_HOME": str(home), "XDG_DATA_HOME": str(home)}

    def type(self, command, line):
        """What an interactive shell makes of the line."""
        process, terminal = pty.fork()
        if process == 0:
            os.chdir(self.home)
            os.execve(command[0], command, self.environment)
        try:
            shown = b""
            while b"READY" not in shown:
                shown += os.read(terminal, 4096)
            os.write(terminal, line.encode() + TAB + SHOW)
            while (found := re.search(rb"<<(.*)>>", shown, re.S)) is None:
                shown += os.read(terminal, 4096)
            return found[1].decode().strip()
        finally:
            os.close(terminal)  # hangs up
            os.waitpid(process, 0)


class Bash(Shell):
    def complete(self, line):
        setup = self.home / "setup"
        files = " ".join(shlex.quote(str(path)) for folder in COMPLETIONS for path in folder.glob("*.bash"))
        setup.write_text(f"for file in {files}; do source $file; done\n"
                         "bind 'set enable-bracketed-paste off'\n"
                         """bind -x '"\\C-o": printf "<<%s>>" "$READLINE_LINE"'\n"""
                         "PS1=READY\n")
        return self.type(["/bin/bash", "--noprofile", "--rcfile", str(setup), "-i"], line)


class Zsh(Shell):
    def complete(self, line):
        folders = " ".join(shlex.quote(str(folder)) for folder in COMPLETIONS)
        (self.home / ".zshrc").write_text(f"fpath=({folders} $fpath)\n"
                                          "autoload -Uz compinit && compinit -u -D\n"
                                          'show() { print -rn -- "<<$BUFFER>>" }; zle -N show; bindkey "^O" show\n'
                                          "unset zle_bracketed_paste; PS1=READY\n")
        return self.type([shutil.which("zsh"), "-d", "-i"], line)


class Fish(Shell):
    def complete(self, line):
        """If fish offers one word, it stands for the last one."""
        words = self.offered(line)
        return line[: line.rindex(" ") + 1] + words[0] if len(words) == 1 else f"{line} → {words}"

    def offered(self, line):
        """fish says without a terminal which words it would offer."""
        command = [f"source {shlex.quote(str(path))}" for folder in COMPLETIONS for path in folder.glob("*.fish")] + ["complete -C $argv[1]"]
        done = subprocess.run(["fish", "--no-config", "-c", "; ".join(command), line], cwd=self.home, env=self.environment,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        return [offered.split("\t")[0] for offered in done.stdout.splitlines()]


@pytest.fixture(params=[Bash, Zsh, Fish], ids=["bash", "zsh", "fish"])
def shell(request, tmp_path):
    name = request.param.__name__.lower()
    if shutil.which(name) is None:
        pytest.skip(f"there is no {name}; make deps-ci installs it")
    return request.param(tmp_path)
