#!/usr/bin/env python3
"""Makes the pictures of the documents again: a rehearsal in a terminal of fixed size, as an SVG. Needs only Python's standard library.

    python3 docs/pictures/make.py                      run.svg, with target/debug/keybatch
    python3 docs/pictures/make.py --keybatch PROGRAM   the same with another build
    python3 docs/pictures/make.py --report             report.png, too, if keybatch can write a report and chromium is installed

What differs from run to run (ids, hashes, times) is replaced by fixed values of the same form, so that a picture changes only where the
program does. Look at what changed before you commit it.
"""
import argparse, fcntl, html, os, pty, re, shutil, struct, subprocess, sys, tempfile, termios
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
COLUMNS, ROWS = 100, 60
COMMANDS = [
    "keybatch run samples/deletions.csv --sandbox --yes --checkpoint-to mailed.txt",
    "keybatch show latest contractor-jonas",
    "keybatch verify --checkpoint mailed.txt",
]
BAD_DAY = (
    "keybatch run samples/bad-day.csv --sandbox=samples/bad-day.world.json --yes "
    "--attempt-timeout 1s --settle-timeout 5s --operation-timeout 5s"
)
# Colours that can be read on this background, whatever the page around it has.
BACKGROUND, BAR, TEXT, PROMPT = "#1b1f27", "#2a303b", "#d8dee9", "#7f8aa0"
COLOURS = {31: "#ff7b72", 32: "#7ee787", 33: "#e3b341", 34: "#79b8ff", 35: "#d2a8ff", 36: "#76d9e6", 37: TEXT, 90: "#8b949e"}
WIDTH, HEIGHT, SIZE, MARGIN = 8.0, 18, 13.3, 16


def said(program, command, home, expected=0):
    """What the command writes to a terminal."""
    words = command.split()
    words[0] = str(program)
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(home)
        os.execve(words[0], words, {"HOME": home, "TERM": "xterm-256color", "TZ": "UTC", "PAGER": "cat", "LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    pieces = []
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # how a terminal on Linux says that nobody writes to it any more
            break
        if not piece:
            break
        pieces.append(piece)
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) != expected:
        sys.exit("%s: exit code %d\n%s" % (command, os.waitstatus_to_exitcode(status), b"".join(pieces).decode()))
    return b"".join(pieces).decode()


class Fixed:
    """Puts fixed values in the place of what differs from run to run, the same value for the same text."""

    def __init__(self):
        self.seen = {}

    def __call__(self, text):
        text = re.sub(r"\b[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b", self.time_id, text)
        text = re.sub(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-6][0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b", self.other_id, text)
        text = re.sub(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{43}=", self.hash, text)
        text = re.sub(r"rehearsal-[0-9a-f]{12}", "rehearsal-9ba7e5e6d649", text)
        text = re.sub(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", self.time, text)
        text = re.sub(r"\b\d+(\.\d+)? (s|ms|µs)\b", self.lasted, text)
        return re.sub(r"(attempt_(?:started|finished)\S* entry) (\d+)", self.entry, text)

    def number(self, kind, text):
        of_kind = self.seen.setdefault(kind, {})
        return of_kind.setdefault(text, len(of_kind))

    def time_id(self, found):
        return "0198c0de-0000-7000-8000-%012x" % (self.number("id", found[0]) + 1)

    def other_id(self, found):
        return "5f0c2a10-77b1-5d32-9e44-%012x" % (self.number("other", found[0]) + 1)

    def hash(self, found):
        import base64, hashlib
        return base64.b64encode(hashlib.sha256(b"%d" % self.number("hash", found[0])).digest()).decode()

    def time(self, found):
        return "2026-09-21T14:13:20.000000Z"

    def entry(self, found):
        return "%s %d" % (found[1], 47 + 2 * self.number("entry", found[2]))

    def lasted(self, found):
        return {"s": "2.2 s" if found[1] else "2 s", "ms": "7 ms", "µs": "700 µs"}[found[2]]


def screen(text):
    """The lines that stay on the screen, each a list of (character, style)."""
    lines, column, style = [[]], 0, (None, False, False)
    for found in re.finditer(r"\x1b\[([0-9;?]*)([A-Za-z])|\x1b\][^\x07]*\x07|[\s\S]", text):
        code, character = found[2], found[0]
        if code == "m":
            style = painted(style, found[1])
        elif code == "K":
            lines[-1] = [] if found[1] == "2" else lines[-1][:column]
        elif code or character.startswith("\x1b"):
            continue
        elif character == "\r":
            column = 0
        elif character == "\n":
            lines.append([])
            column = 0
        else:
            if column == COLUMNS:
                lines.append([])
                column = 0
            line = lines[-1]
            line.extend([(" ", style)] * (column + 1 - len(line)))
            line[column] = (character, style)
            column += 1
    return lines[:-1] if not lines[-1] else lines


def painted(style, codes):
    colour, bold, dim = style
    for code in [int(word) for word in codes.split(";") if word] or [0]:
        if code == 0:
            colour, bold, dim = None, False, False
        elif code in (1, 2):
            bold, dim = bold or code == 1, dim or code == 2
        elif code == 39:
            colour = None
        elif code in COLOURS:
            colour = COLOURS[code]
    return colour, bold, dim


def drawn(line, y):
    """A line as text with a piece for each style."""
    pieces, at = [], 0
    while at < len(line):
        style, end = line[at][1], at
        while end < len(line) and line[end][1] == style:
            end += 1
        text = "".join(character for character, _ in line[at:end])
        if text.strip():
            # Each piece has its place and its width, whichever font there is.
            lead = len(text) - len(text.lstrip())
            text = text.strip()
            colour, bold, dim = style
            extra = ' fill="%s"' % colour if colour else ""
            extra += ' font-weight="bold"' if bold else ""
            extra += ' opacity="0.7"' if dim else ""
            length = ' textLength="%g"' % (len(text) * WIDTH) if len(text) > 1 else ""
            pieces.append('<tspan x="%g"%s%s>%s</tspan>' % (MARGIN + (at + lead) * WIDTH, length, extra, html.escape(text).replace(" ", "\u00a0")))
        at = end
    return '<text y="%d">%s</text>' % (y, "".join(pieces)) if pieces else ""


def picture(lines, title):
    width, height = COLUMNS * WIDTH + 2 * MARGIN, len(lines) * HEIGHT + 2 * MARGIN + 22
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">' % (width, height, width, height)]
    out.append("<title>%s</title>" % html.escape(title))
    out.append('<rect width="%d" height="%d" rx="8" fill="%s"/>' % (width, height, BACKGROUND))
    out.append('<rect width="%d" height="26" rx="8" fill="%s"/>' % (width, BAR))
    out += ['<circle cx="%d" cy="13" r="5" fill="%s"/>' % (18 + 18 * at, PROMPT) for at in range(3)]
    out.append('<g fill="%s" font-size="%g" font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, \'DejaVu Sans Mono\', monospace">' % (TEXT, SIZE))
    out += filter(None, (drawn(line, MARGIN + 22 + HEIGHT * (at + 1) - 5) for at, line in enumerate(lines)))
    return "\n".join(out + ["</g>", "</svg>", ""])


def run_svg(program):
    fixed, lines = Fixed(), []
    with tempfile.TemporaryDirectory() as home:
        os.symlink(ROOT / "samples", os.path.join(home, "samples"))
        for command in COMMANDS:
            typed = [(character, (COLOURS[34], True, False)) for character in command]
            lines.append([("$", (PROMPT, False, False)), (" ", (None, False, False))] + typed)
            text = said(program, command, home)
            # The bar is drawn again and again on one line and wiped in the end: fixed values would change its width.
            text = re.sub(r"[^\n]*\x1b\[2K", "", text)
            lines += screen(fixed(text.replace(home, "~"))) + [[]]
    title = "A rehearsal of keybatch in a terminal: a run that deletes twelve key pairs, the story of one of them, and the journal verified"
    (HERE / "run.svg").write_text(picture(lines[:-1], title))
    print(HERE / "run.svg")


def report_png(program):
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not browser:
        sys.exit("chromium is not installed: report.png was not made")
    with tempfile.TemporaryDirectory() as home:
        os.symlink(ROOT / "samples", os.path.join(home, "samples"))
        # It ends with rows in doubt.
        said(program, BAD_DAY, home, expected=6)
        page = os.path.join(home, "report.html")
        said(program, "keybatch report latest -o " + page, home)
        # Nothing of this machine's profile, and nothing from the network.
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1000,660", "--user-data-dir=" + home + "/browser"]
        target = HERE / "report.png"
        subprocess.run([browser, *options, "--screenshot=%s" % target, "file://" + page], check=True, stderr=subprocess.DEVNULL)
        print(target)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--keybatch", type=Path, default=ROOT / "target/debug/keybatch")
    parser.add_argument("--report", action="store_true")
    args = parser.parse_args()
    program = args.keybatch.resolve()
    run_svg(program)
    if args.report:
        report_png(program)


if __name__ == "__main__":
    main()
