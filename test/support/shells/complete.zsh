# Prints what zsh offers for a line, one word a line, in a real interactive zsh on a terminal.
# usage: zsh -f complete.zsh DIRECTORY-OF-COMPLETIONS FILE-FOR-ANSWERS LINE
# The answers are what is handed to compadd, which every completion ends in.
zmodload zsh/zpty
export COMPLETIONS=$1 ANSWERS=$2

inside() {
  PROMPT= RPROMPT=
  fpath=($COMPLETIONS $fpath)
  autoload -Uz compinit && compinit -u -D
  bindkey '^I' complete-word
  zstyle ':completion:*' insert-tab false

  compadd() {
    # Calls that only ask what would match are no answers.
    if [[ " ${@[1,(i)(-|--)]} " == *' -'(O|A|D)' '* ]]; then
      builtin compadd "$@"
      return
    fi
    local -a found
    builtin compadd -A found "$@"
    (( $#found )) && print -rl -- $found >>$ANSWERS
    builtin compadd "$@"
  }
  finish() { exit 0 }
  comppostfuncs=(finish)
}

zpty shell zsh -f -i
zpty -w shell "$(functions inside)"$'\n'inside
zpty -w -n shell "$3"$'\t'
# The shell ends with its answer, and its terminal with it.
while zpty -r shell; do :; done >/dev/null
exit 0
