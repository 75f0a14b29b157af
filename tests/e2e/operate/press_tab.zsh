# zsh -f press_tab.zsh FOLDER OUT: press Tab at the end of each line of standard input, in a shell that loads
# its completions from FOLDER. OUT gets what the shell would insert, one a line, and "END" after each line.
zmodload zsh/zpty zsh/zselect
out=$2 text=
zpty shell zsh -f -i
zpty -w shell "PS1=; fpath=(${(q)1} \$fpath); autoload -Uz compinit; compinit -u -D"
zpty -w shell 'unsetopt auto_list auto_menu' # a long list asks whether to show it
zpty -w shell 'compadd() {
    if [[ ${@[1,(i)(-|--)]} != *-(O|A|D)\ * ]]; then
        local -a found; builtin compadd -O found "$@"; print -rl -- $found >> '${(q)out}'
    fi
    builtin compadd "$@"
}
tab-ended() { print END >> '${(q)out}'; comppostfuncs=(tab-ended) }
comppostfuncs=(tab-ended)'
: > $out
zpty -w shell "print REA''DY"
zpty -r -m shell text '*READY*'
integer ended=0
local -a lines
while IFS= read -r line; do
    zpty -w -n shell "$line"$'\t'
    (( ++ended ))
    while lines=("${(@f)$(<$out)}"); (( ${#${(@M)lines:#END}} < ended )); do
        zpty -r -t shell text || zselect -t 1 # an unread terminal stops the shell
    done
    zpty -w -n shell $'\C-u'
done
zpty -d shell
