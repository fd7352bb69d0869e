#include "ctl/man_page.h"

#include <array>
#include <cstdint>
#include <cstdio>

#include "base/settings.h"
#include "ctl/ctl_settings.h"
#include "ctl/option_values.h"

namespace ringmaster {
namespace {

// The code point at the beginning of `text`, which is UTF-8 of our own making.
std::uint32_t take_code_point(std::string_view& text) {
  const auto lead = static_cast<unsigned char>(text.front());
  const std::size_t size = lead < 0xe0U ? 2 : lead < 0xf0U ? 3 : 4;
  std::uint32_t point = lead & (0xffU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) point = (point << 6) | (static_cast<unsigned char>(text[i]) & 0x3fU);
  text.remove_prefix(size);
  return point;
}

// Safe anywhere in a line of roff.
std::string escaped(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    if ((static_cast<unsigned char>(text.front()) & 0x80U) != 0) {
      std::array<char, 16> name{};
      std::snprintf(name.data(), name.size(), "\\[u%04X]", take_code_point(text));
      out += name.data();
      continue;
    }
    const char c = text.front();
    text.remove_prefix(1);
    switch (c) {
      case '\\':
        out += "\\e";
        break;
      case '-':
        out += "\\-";
        break;
      case '\'':
        out += "\\(aq";
        break;
      case '`':
        out += "\\(ga";
        break;
      case '^':
        out += "\\(ha";
        break;
      case '~':
        out += "\\(ti";
        break;
      case '"':
        out += "\\(dq";
        break;
      default:
        out += c;
    }
  }
  return out.starts_with('.') ? "\\&" + out : out;
}

std::string bold(std::string_view text) {
  return "\\fB" + escaped(text) + "\\fR";
}

// A placeholder is slanted, a word to be typed is bold.
std::string value_text(const std::string& value) {
  if (!value.contains('|')) return "\\fI" + escaped(value) + "\\fR";
  std::string text;
  for (std::size_t begin = 0; begin <= value.size();) {
    const std::size_t end = std::min(value.find('|', begin), value.size());
    text += (text.empty() ? "" : "|") + bold(value.substr(begin, end - begin));
    begin = end + 1;
  }
  return text;
}

std::string heading(const std::string& title) {
  return ".SH " + title + "\n";
}

std::string item(const std::string& term, const std::string& text) {
  return ".TP\n" + term + "\n" + escaped(text) + "\n";
}

std::string typed(const Command& command) {
  std::string text = "ringctl";
  for (const std::string& word : command.path) text += " " + word;
  return text;
}

bool takes_command(const Command& command) {
  return command.path == std::vector<std::string>{"task", "submit"};
}

std::string synopsis(const Command& command) {
  std::string text = bold(typed(command)) + " [\\fIoptions\\fR]";
  if (!command.subcommands.empty()) text += " \\fIcommand\\fR";
  for (const CommandOption& option : command.options) {
    if (!option.names.empty()) continue;
    std::string value = value_text(option.value) + (option.repeated ? " \\&..." : "");
    text += " " + (option.required ? value : "[" + value + "]");
  }
  if (takes_command(command)) text += " [" + bold("--") + " \\fIcommand\\fR \\&...]";
  return text + "\n";
}

std::string options_of(const Command& command) {
  std::string text;
  for (const CommandOption& option : command.options) {
    std::string term;
    for (const std::string& name : option.names) term += (term.empty() ? "" : ", ") + bold(name);
    if (!option.value.empty()) term += (term.empty() ? "" : " ") + value_text(option.value);
    text += item(term, option.help);
  }
  return text.empty() ? "" : heading("OPTIONS") + text;
}

// A footer is prose, then examples; each paragraph one block.
std::string prose_of(const std::string& footer) {
  const std::string prose = footer.substr(0, footer.find("Example"));
  std::string text;
  for (std::size_t begin = 0; begin < prose.size();) {
    const std::size_t end = std::min(prose.find('\n', begin), prose.size());
    if (end > begin) text += ".PP\n" + escaped(prose.substr(begin, end - begin)) + "\n";
    begin = end + 1;
  }
  return text;
}

std::string examples_of(const std::string& footer) {
  const std::size_t heading_at = footer.find("Example");
  if (heading_at == std::string::npos) return {};
  std::string text = heading("EXAMPLES") + ".nf\n";
  for (std::size_t begin = footer.find('\n', heading_at) + 1; begin < footer.size();) {
    const std::size_t end = std::min(footer.find('\n', begin), footer.size());
    std::string_view line(footer.data() + begin, end - begin);
    if (line.starts_with("  ")) line.remove_prefix(2);
    text += escaped(line) + "\n";
    begin = end + 1;
  }
  return text + ".fi\n";
}

std::string commands_of(const Command& command, const std::vector<Command>& all) {
  if (command.subcommands.empty()) return {};
  std::string text;
  for (const Command& other : all) {
    const bool below = other.path.size() > command.path.size() && other.subcommands.empty() &&
                       std::equal(command.path.begin(), command.path.end(), other.path.begin());
    if (below) text += item(bold(page_name(other)) + "(1)", other.description);
  }
  return heading("COMMANDS") + text;
}

std::string exit_status() {
  return heading("EXIT STATUS") + item("0", "All went well; of a wait, the task succeeded.") +
         item("1",
              "A task ended otherwise and has no code of its own; of several, one of them did, or was "
              "refused.") +
         item("124", "The task's time-out, or that of the wait.") +
         item("125", "ringctl itself: usage, settings, no master, a refused request.") +
         item("128+\\fIn\\fR", "Signal n ended the task or ringctl: 130 is Ctrl-C.") +
         ".PP\nWith \\fB\\-\\-wait\\fR and in \\fBtask wait\\fR of one task its own exit code comes first.\n";
}

std::string environment() {
  std::string text = heading("ENVIRONMENT");
  for (const Setting& setting : CtlSettings::declared())
    text += item(bold(Settings::variable_of(setting.name)), as_sentence(setting.description));
  return text + item("\\fBRINGMASTER_PROFILE\\fR", "Profile to take settings from") +
         item("\\fBRINGMASTER_CONFIG\\fR", "File of profiles") +
         item("\\fBNO_COLOR\\fR", "If not empty: no colours unless they are asked for") +
         ".PP\nFlags are stronger than the environment, and that is stronger than a profile.\n";
}

std::string files() {
  return heading("FILES") +
         ".TP\n\\fI$XDG_CONFIG_HOME/ringmaster/ringctl.yaml\\fR, "
         "\\fI\\(ti/.config/ringmaster/ringctl.yaml\\fR\nProfiles:\n.PP\n.nf\n" +
         escaped("default: production") + "\n" + escaped("profiles:") + "\n" + escaped("  production:") +
         "\n" + escaped("    address: [m1:7420, m2:7420]") + "\n" + escaped("    cluster: production") +
         "\n" + escaped("    secret_file: production.secret   # from this file's folder") + "\n.fi\n";
}

}  // namespace

std::string page_name(const Command& command) {
  std::string name = "ringctl";
  for (const std::string& word : command.path) name += "-" + word;
  return name;
}

std::string man_page(const Command& command, const std::vector<Command>& all) {
  std::string title = page_name(command);
  for (char& c : title) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  const bool whole = command.path.empty();
  std::string text =
      ".TH " + escaped(title) + " 1 \"\" \"Ringmaster " RINGMASTER_VERSION "\" \"Ringmaster\"\n";
  text += ".nh\n.ad l\n" + heading("NAME") + escaped(page_name(command)) + " \\- " +
          escaped(whole ? "the command line of Ringmaster" : command.description) + "\n";
  text += heading("SYNOPSIS") + synopsis(command);
  text +=
      heading("DESCRIPTION") +
      (whole ? escaped(
                   "Submits tasks to a Ringmaster cluster, waits for them, and shows the cluster. Data goes "
                   "to stdout, words go to stderr.") +
                   "\n"
             : escaped(command.description) + ".\n" + prose_of(command.footer));
  text += commands_of(command, all) + options_of(command);
  if (whole) text += environment() + files() + exit_status();
  text += examples_of(command.footer);
  if (!whole)
    text += heading("SEE ALSO") + bold("ringctl") + "(1): the options of all commands, exit status\n";
  return text;
}

}  // namespace ringmaster
