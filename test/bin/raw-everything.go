// Everything that os.* does, in a directory of files of several layers; test/programs/go-static.sh makes it.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"
)

var here string

func short(s string) string { return strings.ReplaceAll(s, here, "HERE") }

func try(what string, err error) {
	var errno syscall.Errno
	switch {
	case err == nil:
		fmt.Println(what, "ok")
	case errors.As(err, &errno):
		fmt.Println(what, errno.Error())
	default:
		fmt.Println(what, short(err.Error()))
	}
}

func read(name string) {
	b, err := os.ReadFile(name)
	try("read "+name, err)
	fmt.Printf("  %q\n", b)
}

func list(name string) {
	entries, err := os.ReadDir(name)
	try("list "+name, err)
	for _, e := range entries {
		i, err := e.Info()
		if err != nil {
			fmt.Println("  ", e.Name(), err)
			continue
		}
		size := i.Size()
		if i.IsDir() {
			size = 0
		}
		fmt.Println("  ", e.Name(), e.Type(), i.Mode(), size)
	}
}

func info(name string) {
	i, err := os.Lstat(name)
	try("lstat "+name, err)
	if err == nil {
		fmt.Println("  ", i.Mode(), i.Sys().(*syscall.Stat_t).Nlink*uint64(map[bool]int{true: 0, false: 1}[i.IsDir()]))
	}
}

func run(name string, c *exec.Cmd) {
	out, err := c.CombinedOutput()
	try("run "+name, err)
	fmt.Print(short(string(out)))
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "child" {
		wd, _ := os.Getwd()
		fmt.Println("child", filepath.Base(wd), os.Args[2:], os.Getenv("GIVEN"))
		return
	}
	here, _ = os.Getwd()
	exe, err := os.Executable()
	try("executable", err)
	fmt.Println(short(exe))

	list("dir")
	read("dir/b1")
	read("dir/b2")
	read("dir/link")
	read("dir/dangling")
	read("dir/none")
	try("write", os.WriteFile("dir/b1", []byte("changed\n"), 0o644))
	read("dir/hard")
	try("write new", os.WriteFile("dir/new", []byte("new\n"), 0o640))
	f, err := os.OpenFile("dir/b2", os.O_RDWR|os.O_APPEND, 0)
	try("append", err)
	fmt.Fprintln(f, "appended")
	f.Seek(0, io.SeekStart)
	b, _ := io.ReadAll(f)
	fmt.Printf("  %q\n", b)
	try("truncate by descriptor", f.Truncate(3))
	try("chmod by descriptor", f.Chmod(0o600))
	f.Close()
	info("dir/b2")
	_, err = os.OpenFile("dir/b3", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	try("exclusive", err)
	f, err = os.Create("dir/dangling")
	try("create by a dangling link", err)
	f.Close()
	info("dir/nowhere")

	try("mkdir", os.Mkdir("made", 0o750))
	try("mkdir again", os.Mkdir("made", 0o750))
	try("mkdirall", os.MkdirAll("made/a/b/c", 0o755))
	try("rename", os.Rename("dir/b3", "made/b3"))
	try("rename of a directory", os.Rename("dir/sub", "made/a/sub"))
	try("rename over", os.Rename("dir/b4", "dir/b5"))
	read("dir/b5")
	try("link", os.Link("made/b3", "dir/linked"))
	try("symlink", os.Symlink("../made/b3", "dir/soft"))
	s, err := os.Readlink("dir/soft")
	try("readlink", err)
	fmt.Println(s)
	s, err = filepath.EvalSymlinks("dir/soft")
	try("evalsymlinks", err)
	fmt.Println(s)
	try("chmod", os.Chmod("dir/new", 0o4711))
	when := time.Unix(1000000000, 5000)
	try("chtimes", os.Chtimes("dir/new", when, when))
	i, err := os.Stat("dir/new")
	try("stat", err)
	fmt.Println(i.ModTime().UTC(), i.Mode())
	try("chown", os.Lchown("dir/soft", os.Getuid(), os.Getgid()))
	try("truncate", os.Truncate("dir/new", 2))
	a, _ := os.Stat("dir/linked")
	c, _ := os.Stat("made/b3")
	fmt.Println("same file", os.SameFile(a, c))
	try("remove", os.Remove("dir/b5"))
	try("remove again", os.Remove("dir/b5"))
	try("remove a full directory", os.Remove("dir"))
	try("removeall", os.RemoveAll("dir/old"))
	try("removeall", os.RemoveAll("made/a/sub"))
	list("made/a")
	try("mkdir in its place", os.Mkdir("made/a/sub", 0o755))
	list("made/a/sub")
	tmp, err := os.MkdirTemp(here, "tmp")
	try("mkdirtemp", err)
	f, err = os.CreateTemp(tmp, "x*")
	try("createtemp", err)
	f.Close()
	try("removeall", os.RemoveAll(tmp))

	var walked []string
	try("walk", filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err == nil && !strings.HasPrefix(p, "src") && !strings.HasPrefix(p, ".cache") && !strings.HasPrefix(p, "home") {
			walked = append(walked, p)
		}
		return err
	}))
	fmt.Println(strings.Join(walked, " "))
	globbed, _ := filepath.Glob("dir/*")
	fmt.Println(globbed)

	try("chdir", os.Chdir("made/a"))
	wd, err := os.Getwd()
	try("getwd", err)
	fmt.Println(short(wd))
	try("write here", os.WriteFile("w", []byte("w"), 0o600))
	try("chdir", os.Chdir("../.."))
	d, err := os.Open("made/a")
	try("open a directory", err)
	names, err := d.Readdirnames(-1)
	try("names", err)
	sort.Strings(names)
	fmt.Println(names)
	try("chdir by descriptor", d.Chdir())
	wd, _ = os.Getwd()
	fmt.Println(short(wd))
	d.Close()
	os.Chdir(here)

	run("a script", exec.Command("./dir/script", "one", "two"))
	run("a shell", exec.Command("sh", "-c", "cat dir/b1; pwd | sed 's,.*/,,'"))
	command := exec.Command(exe, "child", "x")
	command.Dir = "made"
	command.Env = append(os.Environ(), "GIVEN=given")
	run("itself", command)
	command = exec.Command("../dir/script")
	command.Dir = "made"
	run("a script from another directory", command)
	p, err := os.StartProcess(exe, []string{"name", "child", "y"}, &os.ProcAttr{Dir: here + "/dir", Files: []*os.File{nil, os.Stdout, os.Stderr}})
	if err == nil {
		st, err := p.Wait() // before anything is printed: it prints, too
		try("startprocess and wait", err)
		fmt.Println(st)
	}
	run("none", exec.Command("./dir/none"))
	run("not executable", exec.Command("./dir/b1"))
	for n := 0; n < 30; n++ {
		if err := exec.Command(exe, "child").Run(); err != nil {
			try("one of thirty", err)
		}
	}

	os.Chdir("made")
	l, err := net.Listen("unix", "socket")
	try("listen", err)
	if err == nil {
		go func() {
			c, err := l.Accept()
			if err == nil {
				fmt.Fprintln(c, "hello by a socket")
				c.Close()
			}
		}()
		c, err := net.Dial("unix", "./socket")
		try("dial", err)
		if err == nil {
			line, _ := bufio.NewReader(c).ReadString('\n')
			fmt.Print(line)
		}
		info("socket")
		l.Close()
		info("socket")
	}
	os.Chdir(here)

	var all sync.WaitGroup
	failed := make(chan error, 10000)
	for n := 0; n < 64; n++ {
		all.Add(1)
		go func(n int) {
			defer all.Done()
			for k := 0; k < 20; k++ {
				name := fmt.Sprintf("dir/g%d-%d", n, k)
				if err := os.WriteFile(name, []byte(name), 0o644); err != nil {
					failed <- err
				}
				if err := os.Rename(name, name+".moved"); err != nil {
					failed <- err
				}
				if b, err := os.ReadFile(name + ".moved"); err != nil || string(b) != name {
					failed <- fmt.Errorf("%s: %q %v", name, b, err)
				}
				if _, err := os.Stat("dir/b1"); err != nil {
					failed <- err
				}
				if _, err := os.ReadDir("dir"); err != nil {
					failed <- err
				}
				if err := os.Remove(name + ".moved"); err != nil {
					failed <- err
				}
			}
		}(n)
	}
	all.Wait()
	close(failed)
	count := 0
	for err := range failed {
		if count < 5 {
			fmt.Println("in parallel:", short(err.Error()))
		}
		count++
	}
	fmt.Println("failures in parallel:", count)
	list("dir")
}
