// A picture in the terminal that stdout is, in one place while it changes.
// SPDX-License-Identifier: Apache-2.0
#include "preview/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>

#include "preview/escapes.h"
#include "words.h"

namespace ovii2v::tools {
namespace {

constexpr gint64 kLongestAnswer = G_USEC_PER_SEC / 4;
constexpr unsigned kMostRows = 16;

void write_all(int descriptor, const std::string& text) {
  for (size_t done = 0; done < text.size();) {
    const ssize_t count = write(descriptor, text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;  // a terminal that is gone is nobody's trouble
    done += static_cast<size_t>(count);
  }
}

/// The answer to "what are you" (DA1): ESC [ ? 62 ; 4 ; 22 c. 4, after the class, is sixels.
/// Nothing while it is not whole.
std::optional<bool> has_sixels(const std::string& heard) {
  const size_t begin = heard.find("\033[?");
  if (begin == std::string::npos) return std::nullopt;
  const size_t end = heard.find_first_not_of("0123456789;", begin + 3);
  if (end == std::string::npos || heard[end] != 'c') return std::nullopt;
  std::string classes = heard.substr(begin + 3, end - begin - 3);
  classes.append(";");
  return classes.find(";4;") != std::string::npos;
}

/// Asks the terminal; false where it does not answer in time.
bool answers_with_sixels(int terminal) {
  std::string heard;
  const gint64 end = g_get_monotonic_time() + kLongestAnswer;
  write_all(terminal, "\033[c");
  for (gint64 left = kLongestAnswer; left > 0; left = end - g_get_monotonic_time()) {
    pollfd waiting{terminal, POLLIN, 0};
    if (poll(&waiting, 1, static_cast<int>(left / 1000 + 1)) <= 0) continue;
    char bytes[256];
    const ssize_t count = read(terminal, bytes, sizeof bytes);
    if (count <= 0 && errno != EINTR) return false;
    if (count > 0) heard.append(bytes, static_cast<size_t>(count));
    if (const auto answer = has_sixels(heard)) return *answer;
    if (heard.size() > 4096) return false;  // somebody types
  }
  return false;
}

bool ask_for_sixels() {
  const char* name = ttyname(STDOUT_FILENO);
  const int terminal = name ? open(name, O_RDWR | O_NOCTTY | O_CLOEXEC) : -1;
  if (terminal < 0) return false;
  // Who reads from a terminal in the background is stopped by it.
  const pid_t front = tcgetpgrp(terminal);
  termios before{};
  bool found = false;
  if ((front < 0 || front == getpgrp()) && tcgetattr(terminal, &before) == 0) {
    termios quiet = before;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    quiet.c_cc[VMIN] = 0;
    quiet.c_cc[VTIME] = 0;
    tcsetattr(terminal, TCSANOW, &quiet);
    found = answers_with_sixels(terminal);
    tcsetattr(terminal, TCSANOW, &before);
  }
  close(terminal);
  return found;
}

/// Kitty, Ghostty, WezTerm, and not within another terminal that would swallow it.
bool has_kitty_graphics(const std::string& terminal) {
  if (terminal == "xterm-kitty" || terminal == "xterm-ghostty") return true;
  if (g_str_has_prefix(terminal.c_str(), "screen") || g_str_has_prefix(terminal.c_str(), "tmux"))
    return false;
  const char* variable = g_getenv("TERM_PROGRAM");
  const std::string program = variable ? variable : "";
  return program == "kitty" || program == "ghostty" || program == "WezTerm";
}

struct Size {
  unsigned rows = 24, columns = 80;
  // Of a cell, in pixels. Where that is not known: less than any has, so that a picture never is
  // higher than its place.
  unsigned cell_width = 5, cell_height = 10;
};

Size size_of_terminal() {
  Size size;
  winsize told{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &told) != 0 || !told.ws_row || !told.ws_col) return size;
  size.rows = told.ws_row;
  size.columns = told.ws_col;
  const unsigned width = told.ws_xpixel / size.columns, height = told.ws_ypixel / size.rows;
  if (width >= 2 && height >= 4 && width <= 100 && height <= 200) {
    size.cell_width = width;
    size.cell_height = height;
  }
  return size;
}

}  // namespace

std::optional<TerminalPicture> TerminalPicture::find() {
  const char* terminal = g_getenv("TERM");
  if (!isatty(STDOUT_FILENO) || !terminal || !*terminal || g_str_equal(terminal, "dumb"))
    return std::nullopt;
  if (has_kitty_graphics(terminal)) return TerminalPicture(Language::kKitty);
  if (ask_for_sixels()) return TerminalPicture(Language::kSixel);
  return std::nullopt;
}

void TerminalPicture::show(const Pixels& pixels) {
  const Size size = size_of_terminal();
  std::string text;
  if (!rows_ || lines_ != lines_said()) {
    // Half of the terminal at most, as wide as the picture is.
    const double shape = static_cast<double>(pixels.width) / pixels.height * size.cell_height /
                         size.cell_width;  // cells beside each other for one above
    rows_ = std::clamp(size.rows / 2, 1u, kMostRows);
    rows_ = std::clamp(static_cast<unsigned>((size.columns - 1) / shape), 1u, rows_);
    columns_ = std::clamp(static_cast<unsigned>(rows_ * shape + 0.5), 1u, size.columns);
    ++place_;
    status_line({});
    lines_ = lines_said();
    text.assign(rows_, '\n');
  }
  // To the place, and back.
  text.append("\0337\r\033[").append(std::to_string(rows_)).append("A");
  if (language_ == Language::kKitty) {
    // An id of its own: others may show pictures in the same terminal.
    const uint32_t id = (static_cast<uint32_t>(getpid()) & 0x7FFFu) << 16 | (place_ & 0xFFFFu);
    text += kitty_picture(pixels, id, columns_, rows_);
  } else {
    const unsigned height = std::max(rows_ * size.cell_height / 6 * 6, 6u);  // whole bands
    text += sixel_picture(resized(pixels, columns_ * size.cell_width, height));
  }
  text += "\0338";
  std::fflush(stdout);
  write_all(STDOUT_FILENO, text);
}

}  // namespace ovii2v::tools
