# Prints what bash is offered for a line, one word a line; <default> and <dirnames> where readline
# is to complete files or directories itself.
# usage: bash complete.bash COMPLETION WORD... (as readline cuts them: an = is a word)
compopt() { printf '<%s>\n' "$2"; }
. "$1" || exit
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_s3_offload_agent
printf '%s\n' "${COMPREPLY[@]}"
