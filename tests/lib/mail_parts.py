"""What Python's parser reads in the mail on standard input: headers, decoded, and the parts' contents.

    mail_parts.py < mail

A line for each header, then "-- type charset encoding" and the content of each part.  Anything that the parser
finds wrong ends it with status 1.
"""
import email
import email.policy
import sys

mail = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.default)
out = []
defects = []


def look_at(part, what):
    defects.extend(f"{what}: {defect!r}" for defect in part.defects)
    for name, value in part.items():
        # `root` alone is a mailbox of this host
        defects.extend(f"{name} of {what}: {defect!r}" for defect in getattr(value, "defects", ())
                       if "local part with no domain" not in str(defect))


look_at(mail, "mail")
for name in mail.keys():
    if name.lower() in ("from", "to"):
        people = [f"{a.display_name}|{a.addr_spec}" for a in mail[name].addresses]
        out.append(f"{name}: {' '.join(people)}")
    elif name.lower() == "date":
        out.append(f"{name}: {int(mail[name].datetime.timestamp())} {mail[name].datetime:%z}")
    elif name.lower() == "content-type":
        out.append(f"{name}: {mail.get_content_type()}")
    else:
        out.append(f"{name}: {mail[name]}")
for part in mail.iter_parts():
    look_at(part, part.get_content_type())
    out.append(f"-- {part.get_content_type()} {part.get_content_charset()} {part['content-transfer-encoding']}")
    out.append(part.get_content().rstrip("\n"))
if defects:
    sys.exit("\n".join(defects))
sys.stdout.buffer.write("\n".join(out).encode() + b"\n")
