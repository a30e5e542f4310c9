@rem "npm start" begins with exec, so that on sh npm's signals reach the server itself and not only the shell before it.
@rem cmd.exe has no exec of its own and finds this file.
@%*
