# Files as constants of a source file, so that a program carries them with it:
#   cmake -DOUTPUT=out.cpp -DHEADER=page.hpp -DNAMESPACE=a::b -DFILES="kPage=page.html;..." -P embed.cmake
set(text "#include \"${HEADER}\"\n\nnamespace ${NAMESPACE} {\n")
foreach(pair IN LISTS FILES)
  string(REGEX MATCH "^([^=]+)=(.*)$" _ "${pair}")
  set(name ${CMAKE_MATCH_1})
  file(READ "${CMAKE_MATCH_2}" bytes HEX)
  string(REGEX REPLACE "(..)" "'\\\\x\\1'," bytes "${bytes}")
  string(APPEND text "static constexpr char ${name}Bytes[] = {${bytes}};\n"
                     "const std::string_view ${name}{${name}Bytes, sizeof ${name}Bytes};\n")
endforeach()
file(WRITE "${OUTPUT}" "${text}}  // namespace ${NAMESPACE}\n")
