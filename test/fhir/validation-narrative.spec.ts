import { describe, expect, it } from 'vitest'
import { narrativeFault } from '../../src/fhir/validation/narrative.js'

const div = (inner: string): string => `<div xmlns="http://www.w3.org/1999/xhtml">${inner}</div>`

describe('narrativeFault accepts', () => {
  it.each([
    div('text'),
    ` ${div('text')}\n`,
    div('<p class="a" style="color: red">a &lt; b &amp; c &#160;&#xA0;</p>'),
    div('<table border="1"><thead><tr><th colspan="2">x</th></tr></thead><tbody><tr><td/></tr></tbody></table>'),
    div('<a name="x"/><a href="http://a.org/?a=1&amp;b=2">x</a><a href="#local">y</a><a href="Patient/1">z</a>'),
    div('<img src="#pic" alt=""/>'),
    div('<img src="data:image/png;base64,AAAA"/>'),
    div('<!-- a > b <h2>no</h2> - --><b>x</b>'),
    div('<br/><hr />x'),
    '<div xmlns="http://www.w3.org/1999/xhtml" xml:lang="de" lang="de">x</div>',
  ])('%s', (text) => expect(narrativeFault(text)).toBeUndefined())
})

describe('narrativeFault refuses', () => {
  it.each([
    ['text', /div element as its root/],
    ['<p xmlns="http://www.w3.org/1999/xhtml">x</p>', /div element as its root/],
    ['<div>x</div>', /must declare xmlns/],
    ['<div xmlns="http://example.org">x</div>', /no other namespace/],
    ['<divx xmlns="http://www.w3.org/1999/xhtml">x</divx>', /element <divx>/],
    [div(''), /txt-2/],
    [div(' \n <p> </p><!-- x -->'), /txt-2/],
    [div('<img alt="x"/>'), /txt-2/],
    [div('x') + div('y'), /nothing after/],
    [div('x') + 'y', /nothing after/],
    ['<div xmlns="http://www.w3.org/1999/xhtml"/>x', /nothing after/],
    [div('<p>x'), /closes nothing/],
    ['<div xmlns="http://www.w3.org/1999/xhtml"><p>x</p>', /not closed/],
    [div('x</p>'), /closes nothing/],
    [div('<script>alert(1)</script>'), /element <script>/],
    [div('<SCRIPT>x</SCRIPT>'), /element <SCRIPT>/],
    [div('<iframe src="x"/>'), /element <iframe>/],
    [div('<form><input name="x"/></form>'), /element <form>/],
    [div('<svg onload="x"/>'), /element <svg>/],
    [div('<h:p>x</h:p>'), /element <h:p>/],
    [div('<p onclick="x">x</p>'), /attribute onclick/],
    [div('<a href="javascript:alert(1)">x</a>'), /active content in href/],
    [div('<a href=" java&#115;cript:alert(1)">x</a>'), /active content in href/],
    [div('<a href="java&#x0A;script:alert(1)">x</a>'), /active content in href/],
    [div('<a href="JaVaScRiPt:alert(1)">x</a>'), /active content in href/],
    [div('<a href="data:text/html,x">x</a>'), /active content in href/],
    [div('<img src="data:image/svg+xml,x"/>'), /active content in src/],
    [div('<p style="width: expression(alert(1))">x</p>'), /active content in style/],
    [div('<p style="background: url(javascript:x)">x</p>'), /active content in style/],
    [div('<p class="a" class="b">x</p>'), /twice/],
    [div('<p class=a>x</p>'), /not well-formed/],
    [div('<p class="<">x</p>'), /not well-formed/],
    [div('a < b'), /not well-formed/],
    [div('a & b'), /entities of XML/],
    [div('a&nbsp;b'), /entities of XML/],
    [div('<p title="a & b">x</p>'), /entities of XML in attributes|in attributes/],
    [div('<![CDATA[x]]>'), /not well-formed/],
    [div('<?php x ?>x'), /not well-formed/],
    [div('<!--> <b>x</b> -->'), /not well-formed/],
    [div('<!-- a -- b -->x'), /not well-formed/],
    ['<!DOCTYPE html>' + div('x'), /div element as its root/],
  ])('%s', (text, fault) => expect(narrativeFault(text)).toMatch(fault))

  it.each([
    '<'.repeat(200_000),
    `<p ${' a="1"'.repeat(50_000)}`,
    `<!-- ${'-'.repeat(200_000)}`,
    '&'.repeat(200_000),
    `<p ${' '.repeat(200_000)}`,
  ])('large hostile text, for which a quadratic parser would need minutes (%#)', (text) => {
    expect(narrativeFault(div(text))).toBeDefined()
  })
})
