# Completes ovi(1) in bash.
# SPDX-License-Identifier: Apache-2.0

_ovi_options() {
  case $1 in
    make) echo '--output --clips --force --format --model --seed --steps --property --preview --keep-preview --list-properties --csv --json --quiet --help' ;;
    again) echo '--output --force --format --model --property --image --anyway --show --json --quiet --help' ;;
    fetch) echo '--variant --dry-run --verify --json --quiet --help' ;;
    check) echo '--model --variant --device --devices --precision --memory --lora --no-probe --json --help' ;;
    convert) echo '--weights --scales --variant --lora --force --verify --json --quiet --help' ;;
    prompt) echo '--csv --model --variant --device --precision --memory --lora --json --help' ;;
  esac
}

# What a property takes, by the program itself: "solver: ...; one of unipc, dpm++, euler".
_ovi_values() {
  ovi make --list-properties 2>/dev/null | sed -n "s/^$1: .*; one of //p" | tr -d ,
}

_ovi() {
  local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}
  COMPREPLY=()
  # "=" is a word of its own.
  local named=
  if [ "$current" = = ]; then
    current='' named=$before
  elif [ "$before" = = ] && [ "$COMP_CWORD" -gt 2 ]; then
    named=${COMP_WORDS[COMP_CWORD-2]}
  fi
  case $named in
    '') ;;
    -*) before=$named ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$(_ovi_values "$named")" -- "$current"); return ;;
  esac
  if [ "$COMP_CWORD" = 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W 'make again fetch check convert prompt --help --version' -- "$current")
    return
  fi
  if [ "$command" = fetch ] && [ "$before" = --variant ]; then
    mapfile -t COMPREPLY < <(compgen -W '720x720-5s 960x960-5s 960x960-10s all' -- "$current")
    return
  fi
  case $before in
    -p | --property)
      mapfile -t COMPREPLY < <(compgen -S = -W "$(ovi make --list-properties 2>/dev/null | sed 's/:.*//')" -- "$current")
      compopt -o nospace
      return ;;
    --format) mapfile -t COMPREPLY < <(compgen -W 'mp4 mkv webm wav' -- "$current"); return ;;
    --variant | --precision | --memory)
      mapfile -t COMPREPLY < <(compgen -W "$(_ovi_values "${before#--}")" -- "$current"); return ;;
    -w | --weights) mapfile -t COMPREPLY < <(compgen -W 'bf16 fp8 fp32 stored' -- "$current"); return ;;
    --scales) mapfile -t COMPREPLY < <(compgen -W 'row tensor' -- "$current"); return ;;
    --device) mapfile -t COMPREPLY < <(compgen -W 'auto cpu cuda' -- "$current"); return ;;
    -m | --model) mapfile -t COMPREPLY < <(compgen -d -- "$current"); compopt -o filenames; return ;;
    -n | --clips | -s | --seed | --steps) return ;;
  esac
  case $current in
    -*) mapfile -t COMPREPLY < <(compgen -W "$(_ovi_options "$command")" -- "$current") ;;
    *) mapfile -t COMPREPLY < <(compgen -f -- "$current"); compopt -o filenames ;;
  esac
}
complete -F _ovi ovi
