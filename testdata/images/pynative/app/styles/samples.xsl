<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:str="http://exslt.org/strings"
    xmlns:math="http://exslt.org/math" extension-element-prefixes="str math">
  <xsl:import href="kinds.xsl"/>
  <xsl:output method="text" encoding="UTF-8"/>
  <xsl:template match="samples"><xsl:apply-templates select="sample"/>most <xsl:value-of select="math:max(sample)"/>, padded <xsl:value-of select="str:padding(3, '*')"/></xsl:template>
</xsl:stylesheet>
