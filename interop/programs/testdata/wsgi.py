"""What the tests ask of a WSGI application."""
import hashlib
import json
import os
import time

MARKS = os.path.join(os.path.dirname(__file__), 'marks')


def environ(env, start):
    start('200 OK', [('Content-Type', 'application/json')])
    return [json.dumps({k: v for k, v in env.items() if isinstance(v, str)}).encode()]


def body(env, start):
    digest, size = hashlib.sha256(), 0
    while block := env['wsgi.input'].read(65536):
        digest.update(block)
        size += len(block)
    start('200 OK', [('Content-Type', 'text/plain')])
    return [b'%d %s' % (size, digest.hexdigest().encode())]


def big(env, start):
    start('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', '20000000')])
    if env['REQUEST_METHOD'] == 'HEAD':
        return []
    return (b'x' * 100000 for _ in range(200))


def short(env, start):
    start('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', '1000')])
    return [b'x' * 100]


def status(env, start):
    start("418 I'm a teapot", [('Content-Type', 'text/plain'),
                               ('Set-Cookie', 'a=1'), ('Set-Cookie', 'b=2')])
    return [b'short and stout']


def mark(env, start):
    with open(os.path.join(MARKS, env['QUERY_STRING']), 'w') as file:
        file.write('it runs')
    start('200 OK', [('Content-Type', 'text/plain')])
    return []


def stream(env, start):
    start('200 OK', [('Content-Type', 'text/plain')])
    yield b'first\n'
    for _ in range(24000):
        if os.path.exists(os.path.join(MARKS, env['QUERY_STRING'])):
            break
        time.sleep(0.005)
    else:
        return
    yield b'second\n'


def application(env, start):
    name = env['PATH_INFO'].split('/')[1]
    pages = {'environ': environ, 'body': body, 'big': big, 'short': short, 'status': status,
             'mark': mark, 'stream': stream}
    return pages[name](env, start)
