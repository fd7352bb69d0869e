#include "ctl/json_list.h"

#include <string>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace ringmaster {

void JsonList::add(const boost::json::value& value) {
  if (ctl_.options.output == "jsonl") return ctl_.print(value);
  ctl_.out() << (begun_ ? ",\n" : "[");
  if (ctl_.indents_json()) {
    if (!begun_) ctl_.out() << '\n';
    ctl_.out() << "  ";
    write_indented(ctl_.out(), value, 1);
  } else {
    ctl_.out() << boost::json::serialize(value);
  }
  begun_ = true;
}

void JsonList::end() {
  if (ctl_.options.output == "jsonl") return;
  if (!begun_) ctl_.out() << '[';
  ctl_.out() << (begun_ && ctl_.indents_json() ? "\n]\n" : "]\n");
}

void write_indented(std::ostream& out, const boost::json::value& value, std::size_t depth) {
  const std::string inner = "\n" + std::string(2 * depth + 2, ' ');
  const std::string outer = "\n" + std::string(2 * depth, ' ');
  const char* separator = "";
  if (const auto* object = value.if_object(); object != nullptr && !object->empty()) {
    out << '{';
    for (const auto& [name, member] : *object) {
      out << separator << inner << boost::json::serialize(boost::json::string_view(name)) << ": ";
      write_indented(out, member, depth + 1);
      separator = ",";
    }
    out << outer << '}';
  } else if (const auto* array = value.if_array(); array != nullptr && !array->empty()) {
    out << '[';
    for (const auto& item : *array) {
      out << separator << inner;
      write_indented(out, item, depth + 1);
      separator = ",";
    }
    out << outer << ']';
  } else {
    out << boost::json::serialize(value);
  }
}

}  // namespace ringmaster
