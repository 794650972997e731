# emacs in batch mode: edits with backups, directory listings, file functions, processes; and byte-compiling.
# shellcheck shell=bash disable=SC2016
set -eu
lowers() {
    local i
    mkdir -p 1-top/{src,lisp} 2-middle/src/sub 3-bottom/{src/sub,src/old,lisp,bin}
    for i in 1 2 3 4; do printf 'bottom %s\nline two\nline three\n' "$i" >"3-bottom/src/f$i"; done
    echo 'middle 2' >2-middle/src/f2
    echo 'top 3' >1-top/src/f3
    echo sub | tee 3-bottom/src/sub/s1 >2-middle/src/sub/s2
    echo old >3-bottom/src/old/o
    ln -s f1 3-bottom/src/link
    ln -s nowhere 1-top/src/dangling
    chmod 0600 3-bottom/src/f4
    echo '(error "an older file shows through")' >3-bottom/lisp/work.el
    printf '(defun helper (n) (* 2 n))\n(provide (quote helper))\n' >3-bottom/lisp/helper.el
    cat >1-top/lisp/work.el <<'L'
(require 'helper)
(require 'dired)
(defun say (&rest args) (princ (format "%s\n" (mapconcat (lambda (a) (format "%S" a)) args " "))))
(defun edit (file text)
  (let ((path (expand-file-name file)))
    (with-current-buffer (find-file-noselect file)
      (goto-char (point-max)) (insert text) (save-buffer) (say file (buffer-modified-p) (format "%o" (file-modes path))) (kill-buffer))))
(setq make-backup-files t backup-by-copying nil version-control nil create-lockfiles t)
(say 'helper (helper 21) (file-name-directory load-file-name) default-directory)
(edit "src/f1" "edited\n")
(setq backup-by-copying t)
(edit "src/f2" "edited\n")
(edit "src/link" "by a link\n")
(setq version-control t delete-old-versions t kept-new-versions 2 kept-old-versions 0 backup-by-copying nil)
(dolist (n '(1 2 3 4)) (with-current-buffer (find-file-noselect "src/f3") (goto-char (point-min)) (insert (format "%d\n" n)) (save-buffer) (kill-buffer)))
(edit "src/f4" "mode kept\n")
(make-directory "src/new" t)
(edit "src/new/deep" "made\n")
(say (directory-files "src") (directory-files-recursively "src" "." t))
(say (file-exists-p "src/dangling") (file-symlink-p "src/dangling") (file-truename "src/link") (file-newer-than-file-p "src/f1" "src/old/o"))
(rename-file "src/f2" "src/sub/moved") (copy-file "src/f3" "src/copy" t t) (make-symbolic-link "sub" "src/dirlink") (add-name-to-file "src/f4" "src/hard")
(say (file-attribute-link-number (file-attributes "src/hard")) (file-equal-p "src/f4" "src/hard") (file-directory-p "src/dirlink"))
(delete-file "src/f1") (delete-directory "src/old" t) (copy-directory "src/sub" "src/sub2") (rename-file "src/sub2" "src/sub3")
(set-file-modes "src/copy" #o640) (set-file-times "src/copy" '(15000 0))
(say (condition-case e (delete-directory "src/sub") (error (car e))) (condition-case e (insert-file-contents "src/f1") (error (car e))))
(with-temp-buffer (insert "region\n") (write-region nil nil "src/region" t) (append-to-file (point-min) (point-max) "src/region"))
(with-temp-buffer (call-process "sh" nil t nil "-c" "pwd; ls src; echo $0" ) (princ (replace-regexp-in-string "/.*/t$" "T" (buffer-string))))
(with-temp-buffer (let ((default-directory (expand-file-name "src/"))) (insert (shell-command-to-string "cat region; pwd | sed 's,.*/,,'")) (princ (buffer-string))))
(let ((b (dired-noselect "src" "-A"))) (with-current-buffer b (princ (replace-regexp-in-string "^ */.*:" "DIR:" (buffer-substring-no-properties (point-min) (point-max))))))
(let ((file (make-temp-file "em" nil ".x" "temporary"))) (say (file-exists-p file) (file-name-directory file)) (delete-file file))
(say (file-expand-wildcards "src/f*") (locate-dominating-file "src/sub/" "lisp") (file-locked-p "src/f3"))
(byte-compile-file "lisp/helper.el") (load (expand-file-name "lisp/helper")) (say (helper 4) (file-exists-p "lisp/helper.elc"))
(let ((buffer (find-file-noselect "src/f3"))) (with-current-buffer buffer (revert-buffer t t) (say (buffer-size) buffer-file-truename)))
L
}

run() {
    emacs -Q --batch -L lisp -l lisp/work.el
    find . | sort
    cat src/f3* src/link src/region src/new/deep src/sub/moved || echo "cat: $?"
}
