# A project whose modules lie in three layers, a wheel of its own, and virtual environments made there.
# shellcheck shell=bash disable=SC2002,SC2012,SC2016
set -eu
export SOURCE_DATE_EPOCH=1000000000 PYTHONHASHSEED=0 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
python=/usr/bin/python3

lowers() {
    mkdir -p 1-top/project/pkg/sub 2-middle/project/pkg/sub 3-bottom/project/{pkg/sub,spaces/a,wheels} 2-middle/project/spaces/b
    echo 'raise ImportError("an older module shows through")' | tee 3-bottom/project/pkg/{one,two}.py >3-bottom/project/pkg/sub/x.py
    echo 'from .two import TWO; ONE = TWO - 1' >2-middle/project/pkg/one.py
    echo 'TWO = 2' >1-top/project/pkg/two.py
    : >3-bottom/project/pkg/__init__.py
    : >1-top/project/pkg/sub/__init__.py
    echo 'from ..one import ONE; X = ONE * 10' >2-middle/project/pkg/sub/x.py
    echo 'HERE = "a"' >3-bottom/project/spaces/a/here.py
    echo 'HERE = "b"' >2-middle/project/spaces/b/here.py
    "$python" - 3-bottom/project/wheels <<'P'
import sys, zipfile
with zipfile.ZipFile(sys.argv[1] + "/demo-1.0-py3-none-any.whl", "w") as wheel:
    for name, text in {
        "demo/__init__.py": "def main(): print('the demo of', __file__)\n",
        "demo-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n",
        "demo-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "demo-1.0.dist-info/entry_points.txt": "[console_scripts]\ndemo = demo:main\n",
        "demo-1.0.dist-info/RECORD": "demo/__init__.py,,\n",
    }.items():
        wheel.writestr(zipfile.ZipInfo(name), text)
P
}

run() {
    cd project
    "$python" -c 'import pkg.sub.x as x, spaces.a.here as a, spaces.b.here as b; print(x.X, x.__file__, a.HERE, b.HERE)'
    "$python" -m compileall -q pkg; find . -name '*.pyc' | sort
    "$python" -m venv --without-pip bare; bare/bin/python -c 'import sys; print(sys.prefix, sys.executable, sys.base_prefix)'
    "$python" -m venv --without-pip --copies copied; copied/bin/python3 -c 'import sys, os; print(sys.executable, os.getcwd())'
    readlink bare/bin/python3; cat bare/pyvenv.cfg
    "$python" -m venv full; full/bin/pip --version
    full/bin/pip install --quiet --no-index --find-links wheels demo; full/bin/demo; full/bin/pip list
    full/bin/pip uninstall --quiet --yes demo; full/bin/pip list; ls full/bin
    "$python" -m venv --clear --without-pip full; find full | sort
    "$python" - <<'P'
import os, shutil, tempfile, pathlib, glob, subprocess, zipfile
shutil.copytree("pkg", "copy"); shutil.move("spaces", "moved"); shutil.rmtree("wheels")
print(sorted(str(p) for p in pathlib.Path(".").glob("[cmp]*/**/*.py")), sorted(glob.glob("**/here.py", recursive=True)))
with tempfile.NamedTemporaryFile(dir="pkg") as f, tempfile.TemporaryDirectory(dir=".") as d:
    f.write(b"x"); f.flush(); print(os.path.getsize(f.name), os.listdir(d), os.path.samefile(f.name, f.fileno()))
with open("pkg/one.py", "r+") as f: f.seek(0, 2); f.write("# more\n")
os.replace("pkg/two.py", "pkg/three.py"); pathlib.Path("pkg/one.py").touch()
print(sorted((e.name, e.is_dir(), e.inode() == e.stat().st_ino) for e in os.scandir("pkg")))
fd = os.open("pkg", os.O_DIRECTORY); os.mkdir("new", dir_fd=fd); os.chdir(fd); print(os.getcwd(), sorted(os.listdir(fd)))
print(subprocess.run(["pwd"], capture_output=True, cwd="sub", text=True).stdout)
for root, dirs, files in os.walk("..", topdown=True): dirs.sort(); print(root, sorted(files))
P
}
