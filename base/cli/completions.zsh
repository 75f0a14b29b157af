#compdef PROGRAM
# zsh completion for PROGRAM: asks 'PROGRAM --complete' (base/cli/completions.h)
_PROGRAM() {
  local -a lines head found flags valued
  local answer=$(command PROGRAM --complete "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)
  lines=("${(@f)answer}")
  head=("${(@ps:\t:)lines[1]}")
  found=("${(@)lines[2,-1]/$'\t'/:}")
  compset -p ${#head[2]}
  case $head[1] in
  (options)
    flags=("${(@)found:#[^:]#=:*}") valued=("${(@)${(@M)found:#[^:]#=:*}/=:/:}")
    _describe -o $head[3] flags -- valued -qS= ;;
  (names) _describe $head[3] found ;;
  (folders) _files -/ ;;
  (archives) _files -g '*.mcap(-.)' ;; # folders are always offered, too
  (files) _files ;;
  (none) _message $head[3] ;;
  esac
}
# Loaded by compinit, the file is the function; read by 'source', it defines it.
if [[ $funcstack[1] == _PROGRAM ]]; then
  _PROGRAM "$@"
elif (( $+functions[compdef] )); then
  compdef _PROGRAM PROGRAM
fi
