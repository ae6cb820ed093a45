"""The processes of a benchmark: all on loopback, all ended with the script that started them."""

import ctypes
import datetime
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench-results"
NGINX_MODULE = pathlib.Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")
PICTURES_PER_SECOND = 30

# The same input as in every measurement of this project: 1080p30, 6 Mbit/s at a constant rate,
# groups of 2 s, no B-frames.
ENCODE = """-f lavfi -i testsrc2=size=1920x1080:rate=30,noise=alls=20:allf=t
    -f lavfi -i sine=frequency=440:sample_rate=48000 -t 20
    -c:v libx264 -preset ultrafast -profile:v main -pix_fmt yuv420p
    -b:v 6M -minrate 6M -maxrate 6M -bufsize 6M -x264-params nal-hrd=cbr:force-cfr=1
    -g 60 -keyint_min 60 -sc_threshold 0 -bf 0 -c:a aac -b:a 128k -ac 2""".split()


class Failure(Exception):
    """Something that a user can do something about, in one line."""


def install(programs):
    """Gets what is missing, if that is allowed: a map of a file or program to a Debian package."""
    missing = [
        package
        for program, package in programs.items()
        if not (shutil.which(program) or os.path.exists(program))
    ]
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Failure(f"please install: {' '.join(missing)}")
    # With this, Debian starts no service: the benchmark starts its own.
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive", RUNLEVEL="1")
    for command in (["update"], ["install", "-y", "--no-install-recommends", *missing]):
        subprocess.run(
            ["apt-get", "-qq", *command], env=environment, check=True, stdout=subprocess.DEVNULL
        )


def build():
    """Builds the studio and the programs beside this file; the folder that they are in."""
    cargo = os.environ.get("CARGO", "cargo")
    packages = ["-p", "lunora-studio", "-p", "lunora-bench"]
    if subprocess.run([cargo, "build", "--release", "--quiet", *packages], cwd=ROOT).returncode:
        raise Failure("the release build failed")
    return binaries()


def binaries():
    """Where cargo has put the release build."""
    cargo = os.environ.get("CARGO", "cargo")
    command = [cargo, "metadata", "--format-version", "1", "--no-deps"]
    found = subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    folder = pathlib.Path(json.loads(found.stdout)["target_directory"]) / "release"
    for program in ("studio", "floor", "raw-sink", "first-frame"):
        if not (folder / program).exists():
            raise Failure(f"there is no {folder / program}; leave --no-build away")
    return folder


def recording():
    """The input as MP4, to publish, and as FLV, to know what has to arrive; made once."""
    RESULTS.mkdir(exist_ok=True)
    mp4, flv = RESULTS / "input.mp4", RESULTS / "input.flv"
    ffmpeg = ["ffmpeg", "-nostdin", "-hide_banner", "-v", "error", "-y"]
    for made, command in ((mp4, ENCODE), (flv, ["-i", str(mp4), "-c", "copy", "-f", "flv"])):
        if not made.exists():
            partial = made.with_name(f"partial-{made.name}")
            subprocess.run([*ffmpeg, *command, str(partial)], check=True)
            partial.rename(made)
    return mp4, flv


def free_address():
    """An address that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return "127.0.0.1:%d" % listener.getsockname()[1]


def wait(what, ready, seconds=30):
    """Waits until something is so."""
    deadline = time.monotonic() + seconds
    while not (found := ready()):
        if deadline < time.monotonic():
            raise Failure(f"{what}: not within {seconds} s")
        time.sleep(0.1)
    return found


def end_on_signals():
    """Lets SIGTERM and SIGHUP end the script as Ctrl-C does, with everything cleaned up."""

    def end(number, _frame):
        raise KeyboardInterrupt(signal.Signals(number).name)

    for one in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, end)


def _die_with_parent():
    death_signal = 1  # PR_SET_PDEATHSIG
    ctypes.CDLL(None).prctl(death_signal, signal.SIGKILL)


class Rig:
    """Starts processes, and ends them all when it is left."""

    def __init__(self, programs, mp4, flv):
        self.programs, self.mp4, self.flv = programs, mp4, flv
        self.processes, self.started = [], 0
        self.folder = RESULTS / f"run-{os.getpid()}"

    def __enter__(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        return self

    def __exit__(self, kind, *_):
        self.stop_all()
        if kind is None or issubclass(kind, KeyboardInterrupt):
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            print(f"the logs of all processes are in {self.folder}", file=sys.stderr)

    def start(self, name, command, **options):
        self.started += 1
        path = self.folder / f"{self.started:03}-{name}.log"
        log = open(path, "wb")
        options = {"stdin": subprocess.DEVNULL, "stdout": log, **options}
        command = [str(part) for part in command]
        process = subprocess.Popen(command, stderr=log, preexec_fn=_die_with_parent, **options)
        log.close()
        process.log = path
        self.processes.append(process)
        return process

    def stop(self, *processes):
        """Ends processes, the stopped ones too."""
        for process in processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            self.processes.remove(process)

    def stop_all(self):
        self.stop(*reversed(self.processes))

    def pids(self):
        return [process.pid for process in self.processes if process.poll() is None]

    def sink(self, name="sink", **options):
        return Sink(self, name, **options)

    def studio(self, name="studio", ca=None):
        return Studio(self, name, ca)

    def publisher(self, url):
        """Plays the recording over and over, in real time."""
        source = ["-re", "-stream_loop", "-1", "-i", self.mp4, "-c", "copy"]
        command = ["ffmpeg", "-nostdin", "-v", "error", *source, "-f", "flv", url]
        return self.start("publisher", command)

    def floor(self, to, outputs, seconds):
        command = [self.programs / "floor", "--to", to, "--recording", self.flv]
        return self.start("floor", [*command, "--outputs", outputs, "--seconds", seconds])

    def nginx(self, urls):
        """nginx-rtmp that pushes what it is sent; the process, and where to publish."""
        address = free_address()
        pushes = "\n".join(f"            push {url};" for url in urls)
        config = self.folder / "nginx.conf"
        config.write_text(f"""
load_module {NGINX_MODULE};
daemon off;
master_process off;
worker_processes 1;
pid {self.folder}/nginx.pid;
error_log {self.folder}/nginx-error.log warn;
events {{ worker_connections 4096; }}
rtmp {{
    server {{
        listen {address};
        chunk_size 4096;
        application live {{
            live on;
{pushes}
        }}
    }}
}}
""")
        process = self.start("nginx", ["nginx", "-p", self.folder, "-c", config])
        wait("nginx listens", lambda: is_open(address) or process.poll() is not None)
        return process, f"rtmp://{address}/live/in"

    def tee(self, urls):
        """ffmpeg with the tee muxer; the process, and where to publish."""
        url = f"rtmp://{free_address()}/live/in"
        outputs = "|".join(f"[f=flv:onfail=ignore]{output}" for output in urls)
        command = ["ffmpeg", "-nostdin", "-v", "error", "-listen", "1", "-i", url, "-c", "copy"]
        process = self.start("tee", [*command, "-map", "0:v", "-map", "0:a", "-f", "tee", outputs])
        # It takes one connection and no more, so nobody can ask whether it listens yet.
        time.sleep(1.5)
        return process, url


def is_open(address):
    host, port = address.split(":")
    try:
        socket.create_connection((host, int(port)), 1).close()
    except OSError:
        return False
    return True


class Sink:
    """A receiver that counts."""

    def __init__(self, rig, name, tls=False, receive_buffer=None):
        command = [rig.programs / "raw-sink", "--recording", rig.flv]
        self.ca = rig.folder / f"{name}.pem" if tls else None
        if tls:
            command += ["--ca-out", self.ca]
        if receive_buffer:
            command += ["--receive-buffer", receive_buffer]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = rig.start(name, command, text=True, **pipes)
        self.address = self.process.stdout.readline().strip()
        if not self.address:
            raise Failure(f"{name} did not start")
        scheme, host = ("rtmps", "localhost") if tls else ("rtmp", "127.0.0.1")
        self.url = f"{scheme}://{host}:{self.address.rpartition(':')[2]}/live"

    def _ask(self, line):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def report(self):
        """The publishes that have not ended, by key."""
        return {tally["key"]: tally for tally in self._ask("report") if not tally["ended"]}

    def publishes(self):
        """All publishes, those that ended too, the oldest first."""
        return self._ask("report")

    def reset(self):
        self._ask("reset")

    def wait_for(self, count, seconds=40):
        """Waits until so many publishes have had pictures for a second."""

        def flowing():
            enough = PICTURES_PER_SECOND
            return count <= sum(enough <= tally["pictures"] for tally in self.report().values())

        wait(f"{count} publishes flow", flowing, seconds)


class Studio:
    """A studio with a new data folder, and its API."""

    def __init__(self, rig, name, ca=None):
        data = rig.folder / f"{name}-data"
        shutil.rmtree(data, ignore_errors=True)
        # Before it starts: a running studio shows its publish key to a terminal alone.
        command = [rig.programs / "studio", "publish-key", "--data", data]
        key = re.search(r"/live/(\S+)", subprocess.check_output(command, text=True))
        if not key:
            raise Failure("the studio tells no publish key")
        command = [rig.programs / "studio", "--data", data, "--demo", "off", "--hls", "off"]
        command += ["--http", "127.0.0.1:0", "--rtmp", "127.0.0.1:0"]
        if ca:
            command += ["--ca", ca]
        self.process = rig.start(name, command)

        def told():
            text = self.process.log.read_text()
            found = [
                re.search(pattern, text)
                for pattern in (r"publish +(rtmp://[\d.:]+)/", r"API +http://([\d.:]+)/")
            ]
            if self.process.poll() is not None:
                raise Failure(f"the studio did not start: {text.strip()}")
            return [match[1] for match in found] if all(found) else None

        ingest, self.address = wait("the studio starts", told)
        self.publish_url = f"{ingest}/live/{key[1]}"

    def call(self, method, path, body=None):
        """A request to the API; its reply."""
        connection = http.client.HTTPConnection(self.address, timeout=30)
        headers = {"Content-Type": "application/json"} if body else {}
        text = json.dumps(body) if body else None
        try:
            connection.request(method, f"/api/destinations{path}", text, headers)
            reply = connection.getresponse()
            content = reply.read().decode()
        finally:
            connection.close()
        if reply.status >= 300:
            raise Failure(f"{method} {path}: {reply.status} {content}")
        return json.loads(content)

    def add(self, name, url, key, start):
        """A new destination; its id."""
        body = {"name": name, "platform": "custom", "rtmp_url": url, "stream_key": key}
        reply = self.call("POST", "", {**body, "start": start})
        return reply["destination"]["destination_id"]


def facts():
    """Where and of what this was measured."""

    def output(*command):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        return (done.stdout or done.stderr).strip()

    with open("/proc/cpuinfo") as file:
        cpu = re.search(r"model name\s*: (.*)", file.read())
    commit = output("git", "rev-parse", "--short", "HEAD")
    code = ["lunora-core", "lunora-relay", "lunora-api", "examples/studio", "bench", "Cargo.lock"]
    if output("git", "status", "--porcelain", "--untracked-files=no", "--", *code):
        commit += " with changes"
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit,
        "machine": f"{os.cpu_count()} × {cpu[1] if cpu else 'unknown'}, Linux {os.uname().release}",
        "rustc": output("rustc", "--version").split()[1],
        "ffmpeg": output("ffmpeg", "-version").split()[2],
        "nginx": output("nginx", "-v").rpartition("/")[2] if shutil.which("nginx") else "none",
        "load": " ".join("%.1f" % load for load in os.getloadavg()),
    }


def save(kind, result):
    """Keeps everything that was measured; the file that it is in."""
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{kind}-{datetime.datetime.now():%Y%m%d-%H%M%S}.json"
    file.write_text(json.dumps(result, indent=1) + "\n")
    return file


def write_to_docs(kind, text):
    """Puts a table in its place in docs/benchmarks.md."""
    file = ROOT / "docs" / "benchmarks.md"
    begin, end = f"<!-- {kind}: begin -->", f"<!-- {kind}: end -->"
    before, found, rest = file.read_text().partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found and found_end):
        raise Failure(f"{file} has no place for {kind}")
    file.write_text(f"{before}{begin}\n{text.strip()}\n{end}{after}")
